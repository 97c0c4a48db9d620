"""Runs the trials of a study: by processes here, or by the jobs of any Hydra launcher."""

import contextlib
import io
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from omegaconf import DictConfig
from optuna.trial import FrozenTrial, TrialState

from hydra_study_sweeper.errors import StudyError, describe_error
from hydra_study_sweeper.output.progress import StudyProgress
from hydra_study_sweeper.storage.heartbeat import living
from hydra_study_sweeper.storage.trials import WORKER, Trials
from hydra_study_sweeper.workers.devices import default_workers
from hydra_study_sweeper.workers.parcel import only_what_travels, pack
from hydra_study_sweeper.workers.pool import Pool
from hydra_study_sweeper.workers.process import Job
from hydra_study_sweeper.workers.worker import UNTIL_KILLED, Worker

log = logging.getLogger(__name__)
ON_THIS_MACHINE = ("BasicLauncher", "JoblibLauncher", "LocalLauncher")
JOBS = 8  # as many workers as `auto` is elsewhere, where nothing is known of the machines
WATCH_SECONDS = 0.5
# Ray says no more than that it cannot connect.
RAY_HINT = " (if the cluster asks for a token, RAY_AUTH_MODE=token in the environment sends it)"
UNTIL_LEFT = 10.0  # seconds that jobs have for ending by themselves after the last trial


def run_trials(
    worker: Worker, trials: Trials, config: DictConfig, pool: Pool, progress: StudyProgress
) -> None:
    """Runs the trials of a study until no more may begin and none runs.

    Hydra's basic launcher stands for processes on this machine, which are replaced when they are
    lost. Any other launcher gets as many jobs as there are workers, and again while trials are
    left.

    Args:
        worker: What each process or job runs.
        trials: Of the worker's study.
        config: The composed configuration of the study, with its launcher.
        pool: The processes of this command.
        progress: Is kept up to date.

    Raises:
        StudyError: If workers or jobs end without doing anything.
        KeyboardInterrupt: On Ctrl-C.
    """
    with progress:
        if _launcher(config) == "BasicLauncher":
            pool.run(worker, trials, progress.workers, progress.update)
        else:
            try:
                _run_jobs(worker, trials, config, progress)
            except KeyboardInterrupt:
                _settle_interrupted(trials)
                raise
        wait_for_others(trials)


def number_of_workers(workers: int | str, per_gpu: int, config: DictConfig) -> int:
    """Returns how many workers are asked for.

    Args:
        workers: A number, or `auto`.
        per_gpu: The number of workers on each GPU.
        config: Has the launcher.
    """
    if workers != "auto":
        return int(workers)
    return default_workers(per_gpu) if _launcher(config) in ON_THIS_MACHINE else JOBS


def _launcher(config: DictConfig) -> str:
    return str(config.hydra.launcher["_target_"]).rpartition(".")[2]


def _run_jobs(worker: Worker, trials: Trials, config: DictConfig, progress: StudyProgress) -> None:
    """Launches jobs until no more trials may begin."""
    job = Job(pack(worker), Path.cwd())
    while trials.may_begin():
        missing = min(progress.workers, trials.remaining()) - living(trials.paths)
        if missing <= 0:  # workers of jobs that were launched before are running
            progress.update()
            time.sleep(WATCH_SECONDS)
            trials.settle_lost()
            continue
        ended_before = _ended(trials)
        # The application's callbacks see its trials, not the jobs in which workers run them.
        context = replace(worker.context, callbacks=type(worker.context.callbacks)())
        launcher = Plugins.instance().instantiate_launcher(
            config=config, hydra_context=context, task_function=job
        )
        problem = ""
        with _watched(trials, progress.update), only_what_travels():
            try:
                problem = _first_problem(launcher.launch(_jobs(worker, missing), initial_job_idx=0))
            except Exception as error:  # some of its workers are gone; the trials tell which
                problem = describe_error(error)
            wait_for_others(trials)
        if trials.may_begin() and _ended(trials) == ended_before:
            hint = RAY_HINT if "Ray cluster" in problem else ""
            raise StudyError(
                f"the launcher's jobs end without a trial: {problem or 'no error'}{hint}; "
                "jobs that wait in a queue will run, and the same command continues"
            )


def _first_problem(results: Sequence[JobReturn]) -> str:
    for result in results:
        try:
            with contextlib.redirect_stderr(io.StringIO()):  # where Hydra would print it as well
                result.return_value  # noqa: B018 -- raises what the job raised
        except Exception as error:
            return describe_error(error)
    return ""


def _jobs(worker: Worker, count: int) -> list[list[str]]:
    """Returns the overrides of each job, whose record is in the study's folder wherever it runs."""
    folder = str(worker.spec.folder).replace('"', r"\"")
    place = [f'hydra.sweep.dir="{folder}"', "hydra.output_subdir=null"]
    return [
        [*worker.composer.bases.overrides, *place, f"hydra.sweep.subdir=.workers/{number}"]
        for number in range(count)
    ]


def wait_for_others(trials: Trials) -> None:
    """Waits for running trials, and settles those whose workers are gone."""
    said = False
    trials.settle_lost()
    while running := trials.in_state(TrialState.RUNNING):
        if not said:
            log.info("waiting for trials that other workers run: %s", _with_workers(running))
            said = True
        time.sleep(WATCH_SECONDS)
        trials.settle_lost()


def _settle_interrupted(trials: Trials) -> None:
    """Gives the interrupted workers of a launcher time to end, and settles their trials."""
    deadline = time.monotonic() + UNTIL_KILLED
    while trials.in_state(TrialState.RUNNING) and time.monotonic() < deadline:
        trials.settle_lost(blameless=True)
        time.sleep(WATCH_SECONDS)
    if running := trials.in_state(TrialState.RUNNING):
        log.info("trials that other workers still run: %s", _with_workers(running))


def _with_workers(running: Sequence[FrozenTrial]) -> str:
    workers = [(trial.number, trial.user_attrs.get(WORKER, {})) for trial in running]
    return ", ".join(
        f"{number} (process {worker.get('pid')} on {worker.get('host')})"
        for number, worker in workers
    )


def _ended(trials: Trials) -> int:
    return sum(trial.state.is_finished() for trial in trials.all())


class _Ended(BaseException):
    """The trials have ended; whatever the launcher waits for has nothing to do any more."""


@contextlib.contextmanager
def _watched(trials: Trials, update: Callable[[], None]) -> Iterator[None]:
    """Calls `update` every now and then while the block runs, and ends it when the trials have.

    Jobs that a cluster has not begun by then, or that were cancelled without its launcher being
    told, would be waited for in vain.
    """
    ended = threading.Event()
    problems: list[Exception] = []
    main = threading.get_ident()
    can_be_ended = threading.current_thread() is threading.main_thread()

    def watch() -> None:
        try:
            _wait_for_end(trials, update, ended)
        except Exception as error:  # of whatever kind: the main thread raises it
            problems.append(error)
        if can_be_ended and not ended.is_set():
            signal.pthread_kill(main, signal.SIGALRM)

    def leave(number: int, frame: FrameType | None) -> None:
        raise _Ended

    before = signal.signal(signal.SIGALRM, leave) if can_be_ended else None
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        with contextlib.suppress(_Ended):
            try:
                yield
            finally:
                ended.set()
                thread.join(timeout=1)  # it may wait for a database that is away
        if problems:
            raise problems[0]
    finally:
        if can_be_ended:
            signal.signal(signal.SIGALRM, before)


def _wait_for_end(trials: Trials, update: Callable[[], None], ended: threading.Event) -> None:
    """Calls `update` until `ended` is set, or nothing has run or been left to begin for a while."""
    nothing_left_since = None
    while not ended.wait(WATCH_SECONDS):
        update()
        if trials.may_begin() or trials.in_state(TrialState.RUNNING):
            nothing_left_since = None
        elif nothing_left_since is None:
            nothing_left_since = time.monotonic()
        elif time.monotonic() - nothing_left_since > UNTIL_LEFT:
            return
