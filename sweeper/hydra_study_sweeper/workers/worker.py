"""A worker: takes trials of a study, one after the other, and runs them in its own process."""

import contextlib
import logging
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import FrameType

import optuna
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_study_sweeper.errors import describe_error
from hydra_study_sweeper.files import write_record
from hydra_study_sweeper.options import StudySpec
from hydra_study_sweeper.output.retention import Retention
from hydra_study_sweeper.paths import StudyPaths, trial_record
from hydra_study_sweeper.records import TrialRecord, as_values
from hydra_study_sweeper.reporting import current
from hydra_study_sweeper.space.composing import TrialComposer, folder_name, place
from hydra_study_sweeper.space.points import Point
from hydra_study_sweeper.space.repeats import Repeats, mean_of_repeats
from hydra_study_sweeper.storage.heartbeat import presence
from hydra_study_sweeper.storage.trials import INTERRUPTED, OVERRIDES, ROLE, Trials
from hydra_study_sweeper.versions import trusting
from hydra_study_sweeper.workers.children import Children
from hydra_study_sweeper.workers.devices import one_gpu
from hydra_study_sweeper.workers.job import objective_values, run_application
from hydra_study_sweeper.workers.samplers import is_seeded, make_pruner, make_sampler

log = logging.getLogger(__name__)

UNTIL_KILLED = 10.0  # seconds that a trial has for ending by itself after its time is up


class TrialTimeout(Exception):  # noqa: N818 -- the name is the kind of the failure
    """A trial ran longer than it may."""


@dataclass
class Worker:
    """What runs trials, in a process on this machine or as the job of a launcher.

    Attributes:
        spec: The study.
        composer: Of the configurations of its trials.
        context: Hydra's.
        task_function: The application's.
        sampler: Configuration of the sampler.
        pruner: Configuration of the pruner.
        keep: How many of the best trials keep their `weights`.
        weights: Patterns of files in the folder of a run.
        repeats: How often a trial is run.
        per_gpu: The number of workers on each GPU.
        is_refit: Whether the trials belong to a refit.
    """

    spec: StudySpec
    composer: TrialComposer
    context: HydraContext
    task_function: TaskFunction
    sampler: DictConfig
    pruner: DictConfig
    keep: int
    weights: Sequence[str]
    repeats: Repeats
    per_gpu: int
    is_refit: bool = False

    def run(self, number: int, *, in_job: bool = False) -> None:
        """Runs trials until there are none left, as worker `number` from 0.

        A trial that does not end well may leave processes that it has started. They must end, but
        others of this process may depend on them by now, such as an executor. So it leaves the
        rest of the trials to another process, if there will be one.

        Args:
            number: Of the worker.
            in_job: Whether it is the job of a launcher. The process that launched it may be gone,
                so it settles lost trials as well; and nobody replaces it.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        gpu = one_gpu(number, self.per_gpu)
        with presence(StudyPaths(self.spec.folder)), gpu, trusting(self.context):
            trials = Trials(self.spec, begun=True)
            trials.study.sampler = make_sampler(self.sampler)
            trials.study.pruner = make_pruner(self.pruner)
            retention = Retention(trials, self.repeats.below_each(self.weights), self.keep)
            children = Children()
            seeded = partial(make_sampler, self.sampler) if is_seeded(self.sampler) else None
            while True:
                if in_job:
                    trials.settle_lost()
                trial = trials.claim(seeded)
                if trial is None:
                    return
                ended_well = self._run_claimed(trials, trial)
                retention.apply()
                if not ended_well and children.running():
                    if not in_job:
                        return
                    children.end()

    def _run_claimed(self, trials: Trials, trial: optuna.Trial) -> bool:
        try:
            with trials.heartbeats(trial):
                return self._run(trials, trial)
        except optuna.exceptions.UpdateFinishedTrialError:
            log.warning("trial %d was taken from this process as from a lost one", trial.number)
            return False

    def _run(self, trials: Trials, trial: optuna.Trial) -> bool:
        """Runs a trial, tells the study how it ended, and returns whether it is complete."""
        record = TrialRecord(
            number=trial.number,
            state="running",
            values=None,
            params={},
            runs=self.repeats.folders,
            role=trial.user_attrs.get(ROLE),
            reason=None,
        )
        folder = trials.paths.trial(trial.number)  # unless its configuration says otherwise
        # The record is written before the storage is told: a process that dies in between leaves a
        # trial that is run again, and its record with it.
        try:
            with time_limit(self.spec.trial_timeout):
                point = self.composer.suggest(trial)
                record = replace(record, params=as_values(point))
                overrides = trial.user_attrs.get(OVERRIDES, ())
                config = self.composer.compose(trial.number, point, overrides)
                name = trials.settle_folder(trial, folder_name(config))
                folder = trials.paths.folder / name
                _write(record, folder)
                is_single = self.repeats.count == 1
                with current(
                    trial,
                    is_refit=self.is_refit,
                    reports=is_single,
                    step_name=self.spec.names.step,
                    ends=trials.end_of_trials(),
                ):
                    if is_single:
                        values = self._values(config, name)
                    else:
                        values = self._repeated(trial, point, name)
        except optuna.TrialPruned as pruned:
            _write(replace(record, state="pruned", reason=str(pruned)), folder)
            trials.prune(trial, str(pruned))
        except (Exception, SystemExit) as error:  # of the composition as well
            reason = describe_error(error)
            _write_failed(replace(record, state="failed", reason=reason), folder, trials.paths)
            trials.fail(trial, reason)
        except BaseException:
            record = replace(record, state="interrupted", reason=INTERRUPTED)
            _write_failed(record, folder, trials.paths)
            trials.interrupt(trial)
            raise
        else:
            _write(replace(record, state="complete", values=values), folder)
            trials.complete(trial, values)
            return True
        return False

    def _repeated(self, trial: optuna.Trial, point: Point, folder: str) -> list[float]:
        def run(repeat: int) -> list[float]:
            config = self.composer.compose(trial.number, point, self.repeats.overrides_of(repeat))
            return self._values(config, folder, repeat)

        return mean_of_repeats(trial, self.repeats.count, run)

    def _values(self, config: DictConfig, folder: str, repeat: int | None = None) -> list[float]:
        place(config, folder, repeat)
        outcome = run_application(config, self.context, self.task_function)
        return objective_values(outcome, len(self.spec.directions))


def _write(record: TrialRecord, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_record(trial_record(folder), record)


def _write_failed(record: TrialRecord, folder: Path, paths: StudyPaths) -> None:
    paths.presence.stat()  # raises where the study was moved away: no trial is to blame for that
    with contextlib.suppress(OSError):  # that there is no such folder may be the failure
        _write(record, folder)


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
