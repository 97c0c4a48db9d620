"""The options of the sweeper `study`, its samplers and its pruners, as Hydra knows them."""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING


@dataclass
class RefitConf:
    """How the winner is trained again after the search; see `rnnclf.study.refit`.

    Attributes:
        seeds: How many times; 0 for not at all.
        validate: Overrides of the runs that measure the winner as the search did. `{seed}` is
            0, 1, ...
        final: Overrides of the runs whose models are for use, and whose result is reported.
            `{best_step}` is the median of the steps at which the runs above reported their best
            values; if it is asked for, these runs begin when all those have ended.
    """

    seeds: int = 0
    validate: list[str] = field(default_factory=list)
    final: list[str] = field(default_factory=list)


@dataclass
class RepeatsConf:
    """How often each trial is run; see `rnnclf.study.repeats`.

    Attributes:
        count: How often; the value of a trial is the mean. From 2 on the pruner is `wilcoxon` or
            `none`.
        overrides: What differs between the runs of a trial. `{repeat}` is 0, 1, ...
    """

    count: int = 1
    overrides: list[str] = field(default_factory=list)


@dataclass
class StudySweeperConf:
    """Options of `hydra/sweeper=study`.

    Attributes:
        params: The search space: `choice(...)`, `range(...)`, `interval(...)`,
            `tag(log, interval(...))`, values with commas, or `{when: {KEY: VALUE}, space: ...}`.
        n_trials: Trials of a finished study, over all starts of the command.
        timeout: Seconds after which no trial is begun, or null.
        trial_timeout: Seconds after which a trial is failed, or null.
        workers: How many trials run at a time; `auto`: one for each GPU, else for each core, and
            8 under a launcher for other machines.
        direction: `minimize`, `maximize`, or a list of them.
        storage: The URL of a database, or null for a journal in the study's folder.
        study_name: The study's name in the storage, or null for the name of its folder.
        max_failures: The study stops when so many trials in a row fail alike.
        enqueue: Points to try after the defaults, each a mapping of keys to values; what it does
            not name has its default.
        keep: How many of the best trials keep the files that match `weights`.
        weights: Patterns of large files in the trials' folders, for example `*.safetensors`.
        ignore: Keys of the configuration that do not change the results (folders, devices).
        check: The dotted path of a function that is called with a list of sampled
            configurations before the first trial. It raises where one of them cannot run, and
            returns facts (a mapping of names to strings) that must be the same on resuming.
        repeats: How often each trial is run.
        refit: How the winner is trained again.
        dry_run: Print the studies, their spaces, first points and samples; run nothing.
        restart: Put an old study aside and begin a new one.
    """

    _target_: str = "rnnclf.study.sweeper.StudySweeper"
    defaults: list[Any] = field(
        default_factory=lambda: [{"sampler": "default"}, {"pruner": "asha"}]
    )
    sampler: Any = MISSING
    pruner: Any = MISSING
    params: Any = None
    n_trials: int = 20
    timeout: float | None = None
    trial_timeout: float | None = None
    workers: Any = "auto"
    direction: Any = "minimize"
    storage: str | None = None
    study_name: str | None = None
    max_failures: int = 5
    enqueue: list[Any] = field(default_factory=list)
    keep: int = 3
    weights: list[str] = field(default_factory=list)
    ignore: list[str] = field(default_factory=list)
    check: str | None = None
    repeats: RepeatsConf = field(default_factory=RepeatsConf)
    refit: RefitConf = field(default_factory=RefitConf)
    dry_run: bool = False
    restart: bool = False


PRUNERS: dict[str, dict[str, Any]] = {
    "none": {"_target_": "optuna.pruners.NopPruner"},
    "median": {
        "_target_": "optuna.pruners.MedianPruner",
        "n_startup_trials": 5,
        "n_warmup_steps": 2,
    },
    "asha": {
        "_target_": "optuna.pruners.SuccessiveHalvingPruner",
        "min_resource": 1,
        "reduction_factor": 3,
    },
    "hyperband": {
        "_target_": "optuna.pruners.HyperbandPruner",
        "min_resource": 1,
        "max_resource": "auto",
        "reduction_factor": 3,
    },
    "wilcoxon": {"_target_": "optuna.pruners.WilcoxonPruner", "p_threshold": 0.1},
}


def register() -> None:
    """Makes `hydra/sweeper=study` and its groups known to Hydra."""
    store = ConfigStore.instance().store
    store(
        group="hydra/sweeper", name="study", node=StudySweeperConf, provider="rnnclf", replace=True
    )
    # Optuna's TPE as Optuna ships it; the other samplers are those of hydra-optuna-sweeper.
    default = {"_target_": "optuna.samplers.TPESampler", "seed": None}
    store(
        group="hydra/sweeper/sampler", name="default", node=default, provider="rnnclf", replace=True
    )
    for name, node in PRUNERS.items():
        store(group="hydra/sweeper/pruner", name=name, node=node, provider="rnnclf", replace=True)
