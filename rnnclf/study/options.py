"""The options of a study, checked, and what some of them stand for; `conf.py` has their names."""

from typing import cast, get_args

from omegaconf import DictConfig, OmegaConf

from rnnclf.errors import ConfigError
from rnnclf.study.repeats import Repeats
from rnnclf.study.trials import Direction

AT_LEAST = {"n_trials": 1, "max_failures": 1, "keep": 0, "repeats.count": 1}
PRUNERS_OF_REPEATS = ("optuna.pruners.NopPruner", "optuna.pruners.WilcoxonPruner")


def check_options(options: DictConfig) -> None:
    """Checks the options that do not depend on the search space.

    Args:
        options: `hydra.sweeper`, resolved.

    Raises:
        ConfigError: On the first that is wrong.
    """
    for key, low in AT_LEAST.items():
        value = OmegaConf.select(options, key)
        if value < low:
            raise ConfigError(f"hydra.sweeper.{key} must be at least {low}; it is {value}")
    for key in ("timeout", "trial_timeout"):
        if options[key] is not None and not options[key] > 0:
            raise ConfigError(f"hydra.sweeper.{key} must be above 0; it is {options[key]}")
    workers = options.workers
    if workers != "auto" and not (type(workers) is int and workers > 0):
        raise ConfigError(f"hydra.sweeper.workers is auto or a number from 1; it is {workers}")
    if any("{best_step}" in override for override in options.refit.validate):
        raise ConfigError(
            "hydra.sweeper.refit.validate cannot have {best_step}, which these runs tell; "
            "it is for hydra.sweeper.refit.final"
        )


def directions_of(options: DictConfig) -> tuple[Direction, ...]:
    """Returns the direction of each objective.

    Raises:
        ConfigError: If one is neither `minimize` nor `maximize`.
    """
    given = options.direction
    listed = [given] if isinstance(given, str) else list(given)
    for name in listed:
        if name not in get_args(Direction):
            raise ConfigError(
                f"hydra.sweeper.direction is minimize, maximize or a list of them; it is {name}"
            )
    return tuple(cast(list[Direction], listed))


def repeats_of(options: DictConfig) -> Repeats:
    """Returns how often a trial is run.

    Raises:
        ConfigError: If the runs of a trial would be alike, or the pruner does not compare runs.
    """
    repeats = Repeats(options.repeats.count, list(options.repeats.overrides))
    if repeats.count > 1 and repeats.overrides_of(0) == repeats.overrides_of(1):
        raise ConfigError(
            "the runs of a trial would be alike: hydra.sweeper.repeats.overrides has no {repeat}"
        )
    if repeats.count > 1 and options.pruner["_target_"] not in PRUNERS_OF_REPEATS:
        raise ConfigError(
            f"hydra.sweeper.repeats.count={repeats.count} goes with hydra/sweeper/pruner=wilcoxon "
            "or none: the steps of a trial are then its runs, which other pruners take for epochs"
        )
    return repeats


def weights_of(options: DictConfig) -> list[str]:
    """Returns the patterns of large files below the folder of a trial, or of its runs."""
    return [
        pattern if options.repeats.count == 1 else f"*/{pattern}" for pattern in options.weights
    ]
