"""A trial that is several runs, each on other validation data or with another seed.

Where few examples decide, a search finds what happens to fit them. The value of a trial is then the
mean over its runs, and the pruner compares two trials run by run, as Optuna's Wilcoxon pruner does:
the steps of the trial are its runs, and what a run reports itself is ignored.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import optuna
from omegaconf import DictConfig

from hydra_study_sweeper.errors import ConfigError
from hydra_study_sweeper.reporting import KNOWN, time_is_up
from hydra_study_sweeper.space.dimensions import Dimension
from hydra_study_sweeper.space.overrides import parse_override

REPEATED = "repeated"  # attribute of trials: the values of the runs that ended
COMPARE_RUNS = ("optuna.pruners.NopPruner", "optuna.pruners.WilcoxonPruner")


@dataclass(frozen=True)
class Repeats:
    """How often a trial is run.

    Attributes:
        count: How often; 1 is a trial like any other.
        overrides: What differs between the runs of a trial; `{repeat}` is 0, 1, ...
    """

    count: int = 1
    overrides: Sequence[str] = ()

    def overrides_of(self, repeat: int) -> list[str]:
        """Returns the overrides of one of the runs, counted from 0; a single one has none."""
        if self.count == 1:
            return []
        return [override.replace("{repeat}", str(repeat)) for override in self.overrides]

    @property
    def folders(self) -> list[str]:
        """The folders of the runs, relative to that of their trial."""
        return ["."] if self.count == 1 else [str(repeat) for repeat in range(self.count)]

    def below_each(self, patterns: Sequence[str]) -> list[str]:
        """Turns patterns of files of a run into patterns below the folder of the trial."""
        return [pattern if self.count == 1 else f"*/{pattern}" for pattern in patterns]


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
    if repeats.count > 1 and options.pruner["_target_"] not in COMPARE_RUNS:
        raise ConfigError(
            f"hydra.sweeper.repeats.count={repeats.count} goes with hydra/sweeper/pruner=wilcoxon "
            "or none: the steps of a trial are then its runs, which other pruners take for epochs"
        )
    return repeats


def refuse_replaced_keys(
    repeats: Repeats, overrides: Sequence[str], dimensions: Sequence[Dimension]
) -> None:
    """Makes sure that the runs of a trial leave alone what is set or searched.

    Raises:
        ConfigError: If one of their overrides has such a key, or a seed is searched that would
            tell them apart if there were several.
    """
    asked = {parse_override(line).key_or_group for line in overrides}
    searched = {dimension.key.lstrip("+") for dimension in dimensions}
    for override in repeats.overrides:
        key = parse_override(override.replace("{repeat}", "0")).key_or_group
        if repeats.count == 1 and key in searched and "{repeat}" in override:
            raise ConfigError(
                f"{key} cannot be searched, since it tells the runs of a trial apart "
                "(hydra.sweeper.repeats.overrides); hydra.sweeper.repeats.count=5 "
                "hydra/sweeper/pruner=wilcoxon runs each trial with five values of it"
            )
        if repeats.count > 1 and key in asked | searched:
            raise ConfigError(
                f"{key} is set or searched, but each run of a trial has its own "
                "(hydra.sweeper.repeats.overrides); leave it out, or change those"
            )


def mean_of_repeats(
    trial: optuna.Trial, count: int, run: Callable[[int], list[float]]
) -> list[float]:
    """Runs a trial several times, except for the runs that ended before its worker was lost.

    Args:
        trial: The trial.
        count: How often.
        run: Runs it once, given the number of the run from 0, and returns its objective values.

    Returns:
        The mean of each objective.

    Raises:
        optuna.TrialPruned: If the pruner finds after one of the runs that the rest is not worth it,
            or the time of the search is up.
    """
    ended: list[list[float]] = list(trial.user_attrs.get(REPEATED, ()))
    for repeat in range(count):
        if repeat == len(ended):
            ended.append(run(repeat))
            trial.set_user_attr(REPEATED, list(ended))
        if len(trial.study.directions) == 1:
            trial.report(ended[repeat][0], repeat)
            is_hopeless = KNOWN not in trial.user_attrs and trial.should_prune()
            if repeat < count - 1 and (is_hopeless or time_is_up()):
                raise optuna.TrialPruned(f"after run {repeat} with {ended[repeat][0]:.6g}")
    return [statistics.fmean(values) for values in zip(*ended, strict=True)]
