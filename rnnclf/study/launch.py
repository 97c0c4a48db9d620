"""Runs the workers of a study: as processes here, or as the jobs of any Hydra launcher."""

import contextlib
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

from hydra.core.plugins import Plugins
from omegaconf import DictConfig
from optuna.trial import FrozenTrial, TrialState

from rnnclf.errors import StudyError
from rnnclf.study.agenda import Agenda
from rnnclf.study.devices import worker_environments
from rnnclf.study.liveness import living
from rnnclf.study.paths import StudyPaths
from rnnclf.study.pool import Pool
from rnnclf.study.progress import StudyProgress
from rnnclf.study.trials import WORKER, Trials
from rnnclf.study.worker import UNTIL_KILLED, Worker, describe_error

log = logging.getLogger(__name__)
BASIC_LAUNCHER = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"
ON_THIS_MACHINE = ("BasicLauncher", "JoblibLauncher", "LocalLauncher")
JOBS = 8  # as many workers as `auto` is elsewhere, where nothing is known of the machines
WATCH_SECONDS = 0.5
UNTIL_LEFT = 10.0  # seconds that jobs have for ending by themselves after the last trial


def launch_workers(
    worker: Worker, config: DictConfig, workers: int | str, title: str, agenda: Agenda
) -> None:
    """Runs the trials of a study until it has all of them, is stopped, or its time is up.

    Hydra's basic launcher stands for processes on this machine, which are started again when they
    are lost. Any other launcher gets as many jobs as there are workers, and once more while trials
    are left.

    Args:
        worker: What each process or job runs.
        config: The composed configuration of the study.
        workers: How many, or `auto`.
        title: Of the progress display.
        agenda: The study among those of the command.

    Raises:
        StudyError: If workers or jobs end without doing anything.
        KeyboardInterrupt: On Ctrl-C.
    """
    launcher = config.hydra.launcher["_target_"]
    count = number_of_workers(workers, launcher)
    trials = Trials(worker.spec)
    with StudyProgress(trials, title, count, agenda) as progress:
        if launcher == BASIC_LAUNCHER:
            Pool(worker, worker_environments(count), progress.update).run()
        else:
            try:
                _run_jobs(worker, config, count, trials, progress)
            except KeyboardInterrupt:
                _settle_interrupted(trials)
                raise
        wait_for_others(trials)


def number_of_workers(workers: int | str, launcher: str) -> int:
    """Returns how many workers are asked for.

    Args:
        workers: A number, or `auto`.
        launcher: The name of the launcher's class.
    """
    if workers == "auto" and launcher.rpartition(".")[2] not in ON_THIS_MACHINE:
        return JOBS
    return len(worker_environments(workers))


def _run_jobs(
    worker: Worker, config: DictConfig, count: int, trials: Trials, progress: StudyProgress
) -> None:
    """Launches jobs until there are no trials left to begin."""
    paths = StudyPaths(worker.spec.folder)
    while _goes_on(worker, trials):
        missing = min(count, trials.remaining()) - living(paths)
        if missing <= 0:  # workers of jobs that were launched before are at it
            progress.update()
            time.sleep(WATCH_SECONDS)
            trials.settle_lost()
            continue
        ended_before = _ended(trials)
        launcher = Plugins.instance().instantiate_launcher(
            config=config, hydra_context=worker.context, task_function=worker
        )
        problem = ""
        with _watched(worker, trials, progress.update):
            try:
                results = launcher.launch(_jobs(worker, missing), initial_job_idx=0)
                problems = [
                    r._return_value for r in results if isinstance(r._return_value, Exception)
                ]
                problem = describe_error(problems[0]) if problems else ""
            except Exception as error:  # some of its workers are gone; the trials tell which
                problem = describe_error(error)
            wait_for_others(trials)
        if _ended(trials) == ended_before:
            raise StudyError(
                f"the launcher's jobs end without a trial: {problem or 'no error'}; "
                "jobs that wait in a queue go on, and the same command continues"
            )


def _jobs(worker: Worker, count: int) -> list[list[str]]:
    """Returns the overrides of each job, whose record is in the study's folder wherever it runs."""
    folder = str(worker.spec.folder).replace('"', r"\"")
    place = f'hydra.sweep.dir="{folder}"'
    return [
        [*worker.overrides, place, f"hydra.sweep.subdir=.workers/{number}"]
        for number in range(count)
    ]


def wait_for_others(trials: Trials) -> None:
    """Waits for running trials, and settles those whose workers are gone."""
    said = False
    trials.settle_lost()
    while running := _running(trials):
        if not said:
            log.info("waiting for trials that other workers run: %s", _with_workers(running))
            said = True
        time.sleep(WATCH_SECONDS)
        trials.settle_lost()


def _settle_interrupted(trials: Trials) -> None:
    """Gives the interrupted workers of a launcher time to end, and settles what they ran."""
    deadline = time.monotonic() + UNTIL_KILLED
    while _running(trials) and time.monotonic() < deadline:
        trials.settle_lost(blameless=True)
        time.sleep(WATCH_SECONDS)
    if running := _running(trials):
        log.info("trials that other workers still run: %s", _with_workers(running))


def _running(trials: Trials) -> list[FrozenTrial]:
    return [trial for trial in trials.all() if trial.state is TrialState.RUNNING]


def _with_workers(running: Sequence[FrozenTrial]) -> str:
    workers = [(trial.number, trial.user_attrs.get(WORKER, {})) for trial in running]
    return ", ".join(
        f"{number} (process {worker.get('pid')} on {worker.get('host')})"
        for number, worker in workers
    )


def _ended(trials: Trials) -> int:
    return sum(trial.state.is_finished() for trial in trials.all())


def _goes_on(worker: Worker, trials: Trials) -> bool:
    """Tells whether trials are still to be begun."""
    too_late = worker.spec.deadline is not None and time.time() > worker.spec.deadline
    return trials.remaining() > 0 and not trials.stopped and not too_late


class _Ended(BaseException):
    """The trials have ended; whatever the launcher waits for has nothing to do any more."""


@contextlib.contextmanager
def _watched(worker: Worker, trials: Trials, update: Callable[[], None]) -> Iterator[None]:
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
            _wait_for_end(worker, trials, update, ended)
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


def _wait_for_end(
    worker: Worker, trials: Trials, update: Callable[[], None], ended: threading.Event
) -> None:
    """Calls `update` until `ended` is set, or no trial has run or been left for a while."""
    nothing_left_since = None
    while not ended.wait(WATCH_SECONDS):
        update()
        if _goes_on(worker, trials) or _running(trials):
            nothing_left_since = None
        elif nothing_left_since is None:
            nothing_left_since = time.monotonic()
        elif time.monotonic() - nothing_left_since > UNTIL_LEFT:
            return
