"""A worker: takes trials of a study, one after the other, and runs them in its own process."""

import contextlib
import logging
import math
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import optuna
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobStatus, run_job
from hydra.types import HydraContext, TaskFunction
from hydra.utils import instantiate
from omegaconf import DictConfig

from rnnclf.study import preemption
from rnnclf.study.cleaning import Cleaner
from rnnclf.study.compose import TrialComposer, check_that_chosen_arrived
from rnnclf.study.devices import one_gpu
from rnnclf.study.liveness import presence
from rnnclf.study.paths import StudyPaths
from rnnclf.study.repeats import Repeats, mean_of_repeats
from rnnclf.study.reporting import current
from rnnclf.study.space import Dimension, suggest
from rnnclf.study.trials import OVERRIDES, RETRY_OF, StudySpec, Trials

log = logging.getLogger(__name__)

TRUSTED = ("optuna.samplers.*", "optuna.pruners.*", "hydra_plugins.hydra_optuna_sweeper.*")
UNTIL_KILLED = 10.0  # seconds that a trial has for ending by itself after its time is up


class TrialTimeout(Exception):  # noqa: N818 -- the name is the kind of the failure
    """A trial ran longer than it may."""


class BadObjective(Exception):  # noqa: N818 -- the name is the kind of the failure
    """A task returned something that cannot be its objective."""


@dataclass
class Worker:
    """The task function that launchers run in place of the application's own.

    Attributes:
        spec: The study.
        dimensions: What is searched.
        config: The configuration over which those of the trials are composed.
        overrides: The fixed overrides of all trials.
        context: Hydra's.
        task_function: The application's.
        sampler: Configuration of the sampler.
        pruner: Configuration of the pruner.
        keep: How many of the best trials keep their `weights`; None for all.
        weights: Patterns of files.
        repeats: How often a trial is run.
        is_refit: Whether the trials train the winner of a study again.
        cwd: Where the command was given; what is relative in a configuration is relative to it.
    """

    spec: StudySpec
    dimensions: Sequence[Dimension]
    config: DictConfig
    overrides: Sequence[str]
    context: HydraContext
    task_function: TaskFunction
    sampler: DictConfig
    pruner: DictConfig
    keep: int | None = None
    weights: Sequence[str] = ()
    repeats: Repeats = field(default_factory=Repeats)
    is_refit: bool = False
    cwd: Path = field(default_factory=Path.cwd)

    def __call__(self, job_config: DictConfig | None = None) -> int:
        """Runs trials until there are none left, as the job of a launcher.

        Nobody else may be there to look after its companions, so it does.

        Args:
            job_config: What a launcher hands to its jobs; nothing of it is needed.

        Returns:
            How many trials it ran.
        """
        os.chdir(self.cwd)  # Ray's tasks begin elsewhere
        with preemption.heard():
            return self.run(HydraConfig.get().job.num, settles_lost=True)

    def run(self, number: int, *, settles_lost: bool = False) -> int:
        """Runs trials until there are none left, as worker `number` from 0.

        Args:
            number: Of the worker.
            settles_lost: Whether trials of lost workers are queued again before each of its own.

        Returns:
            How many trials it ran.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with presence(StudyPaths(self.spec.folder)), one_gpu(number):
            return self._run_trials(number, settles_lost)

    def _run_trials(self, number: int, settles_lost: bool) -> int:
        trials = Trials(self.spec)
        trials.study.sampler = make_sampler(self.sampler, len(trials.all()), number)
        trials.study.pruner = make_pruner(self.pruner)
        composer = TrialComposer(self.context, self.config, self.overrides, str(self.spec.folder))
        cleaner = Cleaner(self.spec.folder, self.weights, self.keep)
        ran = 0
        while not self._too_late():
            if settles_lost:
                trials.settle_lost()
            trial = trials.claim()
            if trial is None:
                break
            try:
                with trials.signs_of_life(trial):
                    self._run(trials, trial, composer)
            except optuna.exceptions.UpdateFinishedTrialError:
                log.warning("trial %d was taken from this process as from a lost one", trial.number)
            cleaner.clean(trials.study)
            ran += 1
        return ran

    def _too_late(self) -> bool:
        return self.spec.deadline is not None and time.time() > self.spec.deadline

    def _run(self, trials: Trials, trial: optuna.Trial, composer: TrialComposer) -> None:
        self._take_over_folder(trial)
        try:
            with time_limit(self.spec.trial_timeout):
                values = self._objective(trial, composer)
        except optuna.TrialPruned as pruned:
            trials.prune(trial, str(pruned))
        except Exception as error:  # what the composition says is a failure of the trial, too
            trials.fail(trial, describe_error(error))
        except SystemExit as error:
            trials.fail(trial, f"SystemExit: the task exited with {error.code}")
        except BaseException:
            trials.interrupt(trial)
            raise
        else:
            trials.complete(trial, values)

    def _take_over_folder(self, trial: optuna.Trial) -> None:
        """Gives a trial that is tried again the folder of the lost one, with what was saved."""
        lost = trial.user_attrs.get(RETRY_OF)
        if lost is not None:
            paths = StudyPaths(self.spec.folder)
            with contextlib.suppress(OSError):  # it left none, or this one is there already
                paths.trial(lost).rename(paths.trial(trial.number))

    def _objective(self, trial: optuna.Trial, composer: TrialComposer) -> list[float]:
        chosen = suggest(trial, self.dimensions)

        def run(repeat: int | None, overrides: Sequence[str]) -> list[float]:
            config = composer.compose(trial.number, chosen, overrides, repeat)
            check_that_chosen_arrived(config, self.dimensions, chosen)
            return self._run_job(config)

        if self.repeats.count > 1:
            return mean_of_repeats(
                trial,
                self.repeats.count,
                lambda repeat: run(repeat, self.repeats.overrides_of(repeat)),
            )
        with current(trial, is_refit=self.is_refit):
            return run(None, trial.user_attrs.get(OVERRIDES, ()))

    def _run_job(self, config: DictConfig) -> list[float]:
        """Runs the application as a job of Hydra's and raises what it raised."""
        job = run_job(
            task_function=_passing_on_pruned(self.task_function),
            config=config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
            hydra_context=self.context,
        )
        outcome = job._return_value  # return_value would log and wrap what the task raised
        if isinstance(outcome, optuna.TrialPruned) or job.status is JobStatus.FAILED:
            raise outcome
        return check_values(outcome, len(self.spec.directions))


def _passing_on_pruned(task_function: TaskFunction) -> Callable[[DictConfig], Any]:
    """Wraps a task so that being pruned is an outcome, not an error with a traceback in the log."""

    def task(config: DictConfig) -> Any:
        try:
            return task_function(config)
        except optuna.TrialPruned as pruned:
            return pruned

    return task


def check_values(outcome: Any, count: int) -> list[float]:
    """Turns what a task function returned into objective values.

    Raises:
        BadObjective: If it is something else.
    """
    returned = list(outcome) if isinstance(outcome, (list, tuple)) else [outcome]
    try:
        values = [float(value) for value in returned]
    except (TypeError, ValueError) as error:
        raise BadObjective(f"the task returned {outcome!r}, not a number") from error
    if len(values) != count:
        raise BadObjective(f"the task returned {len(values)} values for {count} directions")
    if not all(map(math.isfinite, values)):
        raise BadObjective(f"the task returned {outcome!r}, which is not finite")
    return values


def make_sampler(
    config: DictConfig, trials_so_far: int, worker: int
) -> optuna.samplers.BaseSampler:
    """Makes the configured sampler.

    Settings that are null are left to Optuna. A seed is combined with the number of trials and the
    worker, since samplers with the same seed propose the same points.
    """
    settings = {str(name): value for name, value in config.items() if value is not None}
    if settings.get("seed") is not None:
        entropy = [settings["seed"], trials_so_far, worker]
        settings["seed"] = int(np.random.SeedSequence(entropy).generate_state(1)[0])
    sampler: optuna.samplers.BaseSampler = _make(settings)
    return sampler


def make_pruner(config: DictConfig) -> optuna.pruners.BasePruner:
    """Makes the configured pruner."""
    pruner: optuna.pruners.BasePruner = _make(config)
    return pruner


def _make(config: Mapping[str, Any] | DictConfig) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return instantiate(config, _execution_whitelist_=TRUSTED)


@contextlib.contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Raises `TrialTimeout` in the block after `seconds`, if this is the main thread."""
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise TrialTimeout(f"the trial took longer than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def describe_error(error: BaseException) -> str:
    """Says in one line what kind of error it is and what it says."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
