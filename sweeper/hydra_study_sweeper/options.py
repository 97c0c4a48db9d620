"""The options of the sweeper `study`, its samplers and its pruners: declared, and checked."""

import contextlib
import importlib.util
import math
from dataclasses import Field, dataclass, field, fields, is_dataclass
from pathlib import Path, PurePath
from types import NoneType
from typing import Any, Literal, get_args

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf

from hydra_study_sweeper.budget import Budget
from hydra_study_sweeper.errors import ConfigError
from hydra_study_sweeper.versions import sweeper_class

Direction = Literal["minimize", "maximize"]

BEST_STEP = "{best_step}"  # in overrides of final runs
TYPE = "type"  # in the metadata of a field: its type, where OmegaConf has no words for it


def type_of(key: "Field[Any]") -> Any:
    """Returns the type of a key, also where OmegaConf has no words for it."""
    return key.metadata.get(TYPE, key.type)


def all_types(schema: type, prefix: str = "") -> dict[str, Any]:
    """Returns the types of all keys of a schema by their full names, such as `refit.seeds`."""
    found: dict[str, Any] = {}
    for key in fields(schema):
        if isinstance(key.type, type) and is_dataclass(key.type):
            found |= all_types(key.type, f"{prefix}{key.name}.")
        else:
            found[prefix + key.name] = type_of(key)
    return found


@dataclass
class RefitConf:
    """The refit: the winner of the search is trained again.

    Attributes:
        seeds: The number of seeds; 0 for no refit.
        keep_known: Whether the best known point stays unless the winner is better. Known are the
            defaults and the points of `enqueue` and `warm_start`. From two seeds on, the best trial
            with one of them, besides the winner, has validation runs as well. The final runs have
            the winner's parameters only if its mean is better.
        validation: Overrides of the validation runs, which measure the winner as the search did.
            `{seed}` is 0, 1, ...
        final: Overrides of the final runs, whose models are for use. `{best_step}` is the median
            of the best steps of the validation runs; final runs with it begin when all validation
            runs have ended.
    """

    seeds: int = 0
    keep_known: bool = True
    validation: list[str] = field(default_factory=list)
    final: list[str] = field(default_factory=list)


@dataclass
class RepeatsConf:
    """Trials of several runs.

    Attributes:
        count: The number of runs of each trial, whose value is their mean. From 2 on, the pruner
            must be `wilcoxon` or `none`.
        overrides: What differs between the runs of a trial. `{repeat}` is 0, 1, ...
    """

    count: int = 1
    overrides: list[str] = field(default_factory=list)


@dataclass
class NamesConf:
    """What the screen calls an application's numbers.

    Attributes:
        value: The objective, for example `validation accuracy`.
        final: The objective of final runs, for example `test accuracy`.
        step: The step of a `report`, for example `epoch`.
    """

    value: str = "value"
    final: str = "value"
    step: str = "step"


@dataclass
class StockOptions:
    """Options of Hydra's own Optuna sweeper that an application may still set.

    Attributes:
        n_jobs: Another name for `workers`.
        max_failure_rate: 0 means `max_failures=1`; 1 means as many failures as there are trials.
        search_space: Refused; the old name of `params`.
    """

    n_jobs: int | None = None
    max_failure_rate: float | None = None
    search_space: Any = field(default=None, metadata={TYPE: NoneType})


@dataclass
class StudySweeperConf(StockOptions):
    """Options of `hydra/sweeper=study`.

    Attributes:
        sampler: The group `hydra/sweeper/sampler`: how the parameters of a trial are chosen.
        pruner: The group `hydra/sweeper/pruner`: when a trial is ended early.
        params: The search space: `choice(...)`, `range(...)`, `interval(...)`,
            `tag(log, interval(...))`, values with commas, or `{when: {KEY: VALUE}, space: ...}`.
        custom_search_space: The dotted path of a function that is called with the configuration
            and Optuna's trial, once the dimensions have their values. What it suggests is set in
            the trial, under the names that it gives.
        separate: Keys and config groups whose choices make a study each, instead of a dimension.
        n_trials: Trials of a finished study, over all starts of the command.
        minutes: Time limit of the command, refits included; several studies share it equally. The
            search ends early enough for a refit of as many seeds as fit. A continued study has the
            time that is left. When the search ends, a running trial ends at its next `report`, or
            by itself if it asks `time_is_up`.
        trial_timeout: Seconds after which a trial, with all its runs, counts as failed.
        workers: The number of trials that run at a time. `auto` is `workers_per_gpu` for each GPU,
            or one for each core without GPUs, or 8 under a launcher for other machines.
        workers_per_gpu: The number of workers that share a GPU.
        direction: `minimize`, `maximize`, or a list of them for several objectives.
        storage: The URL of a database; null for `study.journal` in the study's folder.
        study_name: The study's name in the storage; null for the name of its folder.
        max_failures: The study stops when this many trials in a row fail in the same way.
        enqueue: Points to try after trial 0, which has the defaults. Each is a mapping of keys to
            values; the other keys have their defaults.
        warm_start: What is known before. An entry is a point that is good elsewhere, to try after
            those of `enqueue`, or the folder of an earlier study, for its best trial. If only the
            values that its dimensions may have differ, the sampler also learns from its trials that
            are within the space. A key that is not searched is ignored; a point outside the space
            is left out. Trials of these points are not pruned.
        keep: The number of the best trials that keep the files that match `weights`.
        weights: Patterns of large files in the trials' folders, for example `*.safetensors`.
        ignore: Keys that may change when a study is continued, such as folders and devices.
        check: The dotted path of a function that is called with a list of sampled
            configurations before the first trial. It raises if one of them cannot run, and
            returns facts (a mapping of names to strings) that must be the same on resuming.
        preload: Modules that are imported once for all worker processes on this machine. They
            must not start threads.
        repeats: See `RepeatsConf`.
        refit: See `RefitConf`.
        names: What the screen calls the application's numbers.
        tracking: Where the study is also recorded: `tensorboard`, `mlflow`, `wandb`, `trackio`, or
            the dotted path of a class like `hydra_study_sweeper.tracking.entry.Tracker`; null for
            nowhere.
        next: Commands to suggest when the studies have ended. `{folder}` is the folder of the
            study, `{model}` that of its final model; a command with one of them is suggested only
            after a single study.
        dry_run: Print the studies, their spaces, first points and samples; run nothing.
        restart: Put an old study aside and begin a new one. Nothing is deleted.
    """

    _target_: Any = field(default_factory=sweeper_class)
    _recursive_: bool = False  # for Hydra 1.3: samplers are made by the workers
    defaults: list[Any] = field(
        default_factory=lambda: [{"sampler": "default"}, {"pruner": "asha"}]
    )
    sampler: Any = field(default=MISSING, metadata={TYPE: dict[str, Any]})
    pruner: Any = field(default=MISSING, metadata={TYPE: dict[str, Any]})
    params: Any = field(default=None, metadata={TYPE: dict[str, Any] | None})
    custom_search_space: str | None = None
    separate: list[str] = field(default_factory=list)
    n_trials: int = 20
    minutes: float | None = None
    trial_timeout: float | None = None
    workers: Any = field(default="auto", metadata={TYPE: Literal["auto"] | int})
    workers_per_gpu: int = 1
    direction: Any = field(default="minimize", metadata={TYPE: Direction | list[Direction]})
    storage: str | None = None
    study_name: str | None = None
    max_failures: int = 5
    enqueue: list[Any] = field(default_factory=list)
    warm_start: list[Any] = field(default_factory=list)
    keep: int = 3
    weights: list[str] = field(default_factory=list)
    ignore: list[str] = field(default_factory=list)
    check: str | None = None
    preload: list[str] = field(default_factory=list)
    repeats: RepeatsConf = field(default_factory=RepeatsConf)
    refit: RefitConf = field(default_factory=RefitConf)
    names: NamesConf = field(default_factory=NamesConf)
    tracking: str | None = None
    next: list[str] = field(default_factory=list)
    dry_run: bool = False
    restart: bool = False


@dataclass(frozen=True)
class StudySpec:
    """What a worker must know to take part in a study; it is sent to other processes.

    Attributes:
        name: The name of the study in its storage.
        folder: The folder of the study.
        storage: The URL of a database, or None for the journal in the folder.
        directions: `maximize` or `minimize` for each objective.
        n_trials: How many trials a finished study has; None for as many as are queued.
        max_failures: Failures of one kind in a row after which it stops.
        trial_timeout: Seconds after which a trial is failed, or None.
        budget: Its time, or None.
        names: What the screen calls the application's numbers.
    """

    name: str
    folder: Path
    storage: str | None
    directions: tuple[Direction, ...]
    n_trials: int | None
    max_failures: int
    trial_timeout: float | None = None
    budget: Budget | None = None
    names: NamesConf = field(default_factory=NamesConf)


# What samplers and pruners may be; applications with an execution whitelist add it to theirs.
TRUSTED = ("optuna.samplers.*", "optuna.pruners.*", "hydra_plugins.hydra_optuna_sweeper.*")
SAMPLERS: dict[str, dict[str, Any]] = {
    "default": {"_target_": "optuna.samplers.TPESampler", "seed": None},
    "tpe": {"_target_": "optuna.samplers.TPESampler", "seed": None},
    "random": {"_target_": "optuna.samplers.RandomSampler", "seed": None},
    "grid": {"_target_": "optuna.samplers.GridSampler", "seed": None},
    "qmc": {"_target_": "optuna.samplers.QMCSampler", "seed": None},
    "gp": {"_target_": "optuna.samplers.GPSampler", "seed": None},
    "cmaes": {"_target_": "optuna.samplers.CmaEsSampler", "seed": None},
    "nsgaii": {"_target_": "optuna.samplers.NSGAIISampler", "seed": None},
    "nsgaiii": {"_target_": "optuna.samplers.NSGAIIISampler", "seed": None},
}
PRUNERS: dict[str, dict[str, Any]] = {
    "none": {"_target_": "optuna.pruners.NopPruner"},
    "median": {
        "_target_": "optuna.pruners.MedianPruner",
        "n_startup_trials": 5,
        "n_warmup_steps": 2,
    },
    "asha": {
        "_target_": "optuna.pruners.SuccessiveHalvingPruner",
        "min_resource": 2,
        "reduction_factor": 2,
    },
    "hyperband": {
        "_target_": "optuna.pruners.HyperbandPruner",
        "min_resource": 1,
        "max_resource": "auto",
        "reduction_factor": 3,
    },
    "wilcoxon": {"_target_": "optuna.pruners.WilcoxonPruner", "p_threshold": 0.1},
}
AT_LEAST = {
    "n_trials": 1,
    "workers": 1,
    "workers_per_gpu": 1,
    "max_failures": 1,
    "keep": 0,
    "repeats.count": 1,
    "refit.seeds": 0,
}
ABOVE = {"minutes": 0, "trial_timeout": 0}


def register() -> None:
    """Makes `hydra/sweeper=study` and its groups known to Hydra."""
    # Hydra's own Optuna sweeper registers samplers under the same names, with more settings. Where
    # it is installed they stay, so that hydra/sweeper=optuna works as before.
    with contextlib.suppress(ImportError):
        import hydra_plugins.hydra_optuna_sweeper.config  # noqa: F401
    config_store = ConfigStore.instance()
    nodes: dict[str, dict[str, Any]] = {
        "hydra/sweeper": {"study": StudySweeperConf},
        "hydra/sweeper/sampler": SAMPLERS,
        "hydra/sweeper/pruner": PRUNERS,
    }
    for group, named in nodes.items():
        present = _names(config_store, group)
        for name, node in named.items():
            if f"{name}.yaml" not in present:
                config_store.store(
                    group=group, name=name, node=node, provider="hydra_study_sweeper"
                )


def _names(config_store: ConfigStore, group: str) -> set[str]:
    try:
        return set(config_store.list(group))
    except OSError:  # nobody has stored anything there
        return set()


def take_stock_options(options: DictConfig) -> None:
    """Turns the options of Hydra's own Optuna sweeper into those that mean the same.

    Raises:
        ConfigError: If nothing means the same.
    """
    if options.search_space is not None:
        raise ConfigError(
            "hydra.sweeper.search_space is hydra.sweeper.params here: KEY: choice(...)"
        )
    if options.n_jobs is not None:
        options.workers = options.n_jobs
    if options.max_failure_rate not in (None, 0, 1):
        raise ConfigError(
            f"hydra.sweeper.max_failure_rate={options.max_failure_rate} is a share of a batch, and "
            "there are none here; hydra.sweeper.max_failures=N stops after N failures in a row"
        )
    if options.max_failure_rate is not None:
        options.max_failures = options.n_trials if options.max_failure_rate else 1


def refuse_nan(options: DictConfig) -> None:
    """Refuses a value that is not a number, because Hydra would say that the options had changed.

    Args:
        options: `hydra.sweeper`, before the configuration of a study is composed.

    Raises:
        ConfigError: If an option is such a value, or has one in it.
    """
    given = OmegaConf.to_container(options)
    assert isinstance(given, dict), "made from a schema"
    for key, value in given.items():
        if _has_nan(value):
            raise ConfigError(f"hydra.sweeper.{key!s} has a value that is not a number (nan)")


def _has_nan(value: Any) -> bool:
    if isinstance(value, dict | list):
        return any(map(_has_nan, value.values() if isinstance(value, dict) else value))
    return isinstance(value, float) and math.isnan(value)


def check_options(options: DictConfig) -> None:
    """Checks the options that do not depend on the search space.

    Args:
        options: `hydra.sweeper`, resolved.

    Raises:
        ConfigError: On the first that is wrong.
    """
    for group in ("sampler", "pruner"):
        if not OmegaConf.is_dict(chosen := options[group]):
            raise ConfigError(
                f"hydra.sweeper.{group}={chosen} chooses none; write hydra/sweeper/{group}={chosen}"
            )
    workers = options.workers
    if workers != "auto" and type(workers) is not int:
        raise ConfigError(f"hydra.sweeper.workers is auto or a number from 1; it is {workers}")
    for key, low in AT_LEAST.items():
        value = OmegaConf.select(options, key)
        if value != "auto" and value < low:
            raise ConfigError(f"hydra.sweeper.{key} must be at least {low}; it is {value}")
    for key, bound in ABOVE.items():
        if options[key] is not None and not bound < options[key] < math.inf:
            raise ConfigError(
                f"hydra.sweeper.{key} must be a finite number above {bound}; it is {options[key]}"
            )
    for module in options.preload:
        if not _is_there(module):  # the server of the workers would leave it out without a word
            raise ConfigError(f"hydra.sweeper.preload: there is no module {module}")
    for pattern in map(PurePath, options.weights):
        if not pattern.parts or pattern.is_absolute() or ".." in pattern.parts:
            raise ConfigError(
                "hydra.sweeper.weights has patterns of files in the folder of a trial, such as "
                f"*.pt; one is {pattern}"
            )
    if any(BEST_STEP in override for override in options.refit.validation):
        raise ConfigError(
            f"hydra.sweeper.refit.validation cannot have {BEST_STEP}, which these runs determine; "
            "it is for hydra.sweeper.refit.final"
        )


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # one of its parents is missing
        return False


def directions_of(options: DictConfig) -> tuple[Direction, ...]:
    """Returns the direction of each objective.

    Raises:
        ConfigError: If one is neither `minimize` nor `maximize`.
    """
    given = options.direction
    listed = list(given) if OmegaConf.is_list(given) else [given]
    if not listed or not set(listed) <= set(get_args(Direction)):
        raise ConfigError(
            f"hydra.sweeper.direction is minimize, maximize or a list of them; it is {given}"
        )
    return tuple(listed)
