"""A worker: takes trials of a study, one after the other, and runs them in its own process."""

import contextlib
import logging
import math
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any

import optuna
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import run_job
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_study_sweeper.files import write_record
from hydra_study_sweeper.options import StudySpec
from hydra_study_sweeper.output.retention import Retention
from hydra_study_sweeper.paths import StudyPaths, trial_record
from hydra_study_sweeper.records import TrialRecord, as_values
from hydra_study_sweeper.reporting import current
from hydra_study_sweeper.space.composing import Bases, TrialComposer
from hydra_study_sweeper.space.dimensions import Dimension
from hydra_study_sweeper.space.points import Point
from hydra_study_sweeper.space.repeats import Repeats, mean_of_repeats
from hydra_study_sweeper.storage.heartbeat import presence
from hydra_study_sweeper.storage.trials import OVERRIDES, RETRY_OF, ROLE, Trials
from hydra_study_sweeper.workers import preemption
from hydra_study_sweeper.workers.devices import one_gpu
from hydra_study_sweeper.workers.samplers import make_pruner, make_sampler

log = logging.getLogger(__name__)

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
        custom_search_space: The application's function that suggests further values, if any.
        keep: How many of the best trials keep their `weights`; None for all.
        weights: Patterns of files in the folder of a run.
        repeats: How often a trial is run.
        is_refit: Whether the trials belong to a refit.
        cwd: Where the command was given; relative paths in a configuration start there.
    """

    spec: StudySpec
    dimensions: Sequence[Dimension]
    config: DictConfig
    overrides: Sequence[str]
    context: HydraContext
    task_function: TaskFunction
    sampler: DictConfig
    pruner: DictConfig
    custom_search_space: str | None = None
    keep: int | None = None
    weights: Sequence[str] = ()
    repeats: Repeats = field(default_factory=Repeats)
    is_refit: bool = False
    cwd: Path = field(default_factory=Path.cwd)

    def __call__(self, job_config: DictConfig | None = None) -> int:
        """Runs trials until there are none left, as the job of a launcher.

        The process that launched it may be gone, so it settles lost trials as well.

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
        bases = Bases(self.context, self.config, self.overrides, str(self.spec.folder))
        composer = TrialComposer(bases, self.dimensions, self.custom_search_space)
        retention = Retention(trials, self.repeats.below_each(self.weights), self.keep)
        ran = 0
        while True:
            if settles_lost:
                trials.settle_lost()
            trial = trials.claim()
            if trial is None:
                return ran
            try:
                with trials.heartbeats(trial):
                    self._run(trials, trial, composer)
            except optuna.exceptions.UpdateFinishedTrialError:
                log.warning("trial %d was taken from this process as from a lost one", trial.number)
            retention.apply()
            ran += 1

    def _run(self, trials: Trials, trial: optuna.Trial, composer: TrialComposer) -> None:
        self._take_over_folder(trials, trial)
        record = TrialRecord(
            number=trial.number,
            state="running",
            values=None,
            params={},
            runs=self.repeats.folders,
            role=trial.user_attrs.get(ROLE),
            reason=None,
        )
        folder = trials.paths.trial(trial.number)
        # The record is written before the storage is told: a process that dies in between leaves a
        # trial that is run again, and its record with it.
        try:
            with time_limit(self.spec.trial_timeout):
                point = composer.suggest(trial)
                record = replace(record, params=as_values(point))
                _write(record, folder)
                values = self._objective(trial, point, composer)
        except optuna.TrialPruned as pruned:
            _write(replace(record, state="pruned", reason=str(pruned)), folder)
            trials.prune(trial, str(pruned))
        except Exception as error:  # what the composition says is a failure of the trial as well
            self._fail(trials, trial, record, describe_error(error))
        except SystemExit as error:
            reason = f"SystemExit: the task exited with {error.code}"
            self._fail(trials, trial, record, reason)
        except BaseException:
            trials.interrupt(trial)
            raise
        else:
            _write(replace(record, state="complete", values=values), folder)
            trials.complete(trial, values)

    def _fail(self, trials: Trials, trial: optuna.Trial, record: TrialRecord, reason: str) -> None:
        with contextlib.suppress(OSError):  # that there is no such folder may be the failure
            folder = trials.paths.trial(trial.number)
            _write(replace(record, state="failed", reason=reason), folder)
        trials.fail(trial, reason)

    def _take_over_folder(self, trials: Trials, trial: optuna.Trial) -> None:
        """Gives a trial that is tried again the folder of the lost one, with what was saved."""
        lost = trial.user_attrs.get(RETRY_OF)
        if lost is not None:
            with contextlib.suppress(OSError):  # there is none, or this one exists already
                old = trials.folder_of(trials.all()[lost])
                old.rename(trials.paths.trial(trial.number))

    def _objective(self, trial: optuna.Trial, point: Point, composer: TrialComposer) -> list[float]:
        def run(repeat: int | None, overrides: Sequence[str]) -> list[float]:
            return self._run_job(composer.compose(trial.number, point, overrides, repeat))

        if self.repeats.count > 1:
            return mean_of_repeats(
                trial,
                self.repeats.count,
                lambda repeat: run(repeat, self.repeats.overrides_of(repeat)),
            )
        with current(trial, is_refit=self.is_refit, step_name=self.spec.names.step):
            return run(None, trial.user_attrs.get(OVERRIDES, ()))

    def _run_job(self, config: DictConfig) -> list[float]:
        """Runs the application as a job of Hydra's and raises what it raised."""
        outcome: Any = None

        def task(task_config: DictConfig) -> Any:
            nonlocal outcome
            try:
                outcome = self.task_function(task_config)
            except optuna.TrialPruned as pruned:
                outcome = pruned  # an outcome: as an error it would leave a traceback in the log
            except Exception as error:
                outcome = error
                raise
            return outcome

        run_job(
            task_function=task,
            config=config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
            hydra_context=self.context,
        )
        if isinstance(outcome, Exception):
            raise outcome
        return check_values(outcome, len(self.spec.directions))


def _write(record: TrialRecord, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_record(trial_record(folder), record)


def check_values(outcome: Any, count: int) -> list[float]:
    """Turns what a task function returned into objective values.

    Raises:
        BadObjective: If it is something else.
    """
    returned = list(outcome) if isinstance(outcome, list | tuple) else [outcome]
    try:
        values = [float(value) for value in returned]
    except (TypeError, ValueError) as error:
        raise BadObjective(f"the task returned {outcome!r}, not a number") from error
    if len(values) != count:
        raise BadObjective(f"the task returned {len(values)} values for {count} directions")
    if not all(map(math.isfinite, values)):
        raise BadObjective(f"the task returned {outcome!r}, which is not finite")
    return values


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
    """Says in one line what kind of error it is, and its message."""
    message = " ".join(str(error).split())
    printable = message.encode("utf-8", "backslashreplace").decode()  # a lone surrogate is not
    return f"{type(error).__name__}: {printable}"
