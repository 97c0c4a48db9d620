"""Whether the worker of a trial is alive.

On the same host the process itself tells. Elsewhere, or after a change of the host's name or clock,
a lock in the study's folder does, which the kernel releases when its holder ends. Where there is no
such folder either, a database server keeps heartbeats.
"""

import contextlib
import functools
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import filelock
import psutil

from hydra_study_sweeper.paths import StudyPaths

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 10


@runtime_checkable
class KeepsHeartbeats(Protocol):
    """A storage that keeps heartbeats."""

    def heartbeat(self, trial_id: int) -> None:
        """Records that the worker of a trial is alive."""

    def stale_trials(self, study_id: int) -> set[int]:
        """Returns the running trials whose workers' heartbeats are too old."""


def process_identity() -> dict[str, Any]:
    """Names this process so that others can tell whether it is still alive."""
    return _identity(os.getpid())


@functools.cache  # when a process started changes with the clock of its host
def _identity(pid: int) -> dict[str, Any]:
    started = round(psutil.Process(pid).create_time(), 1)
    return {"host": socket.gethostname(), "pid": pid, "started": started}


@contextlib.contextmanager
def presence(paths: StudyPaths) -> Iterator[None]:
    """Holds the lock by which others see that this process is a living worker of the study."""
    paths.presence.mkdir(exist_ok=True)
    with filelock.FileLock(_lock_path(paths, process_identity())):
        yield


@contextlib.contextmanager
def heartbeats(beat: Callable[[], object]) -> Iterator[None]:
    """Has a thread call `beat` regularly while the block runs."""
    ended = threading.Event()

    def continue_beating() -> None:
        while not ended.wait(HEARTBEAT_SECONDS):
            try:
                beat()
            except Exception as error:  # of whatever kind: the next one may come through
                log.warning("no heartbeat can be sent: %s", error)

    thread = threading.Thread(target=continue_beating, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=1)  # it may wait for a database that is away


def has_pid(worker: Mapping[str, Any] | None, pid: int) -> bool:
    """Returns whether a worker is, or was, the process of this host with a number."""
    return worker is not None and (worker["host"], worker["pid"]) == (socket.gethostname(), pid)


def is_here(worker: Mapping[str, Any]) -> bool:
    """Returns whether a worker is a living process of this host."""
    return worker["host"] == socket.gethostname() and _is_it(worker, _started(worker["pid"]))


def living(paths: StudyPaths) -> int:
    """Returns how many workers of a study hold their locks, wherever they are."""
    return sum(not _is_free(path) for path in paths.presence.glob("*.lock"))


def is_gone(worker: Mapping[str, Any], paths: StudyPaths) -> bool:
    """Returns whether a worker process has certainly ended.

    Args:
        worker: Its `process_identity`.
        paths: Of its study.
    """
    is_of_this_host: bool = worker["host"] == socket.gethostname()
    if is_of_this_host:
        started = _started(worker["pid"])
        if started is None:
            return True
        if _is_it(worker, started):
            return False
    path = _lock_path(paths, worker)
    if not path.exists():
        return is_of_this_host  # a worker elsewhere may not share this folder
    return _is_free(path)


def _is_it(worker: Mapping[str, Any], started: float | None) -> bool:
    # A process with the same number that started at another time is another one.
    return started is not None and bool(abs(started - worker["started"]) < 1)


def _is_free(lock: Path) -> bool:
    try:
        with filelock.FileLock(lock, timeout=0, preserve_lock_file=True):
            return True
    except filelock.Timeout:
        return False


def _started(pid: int) -> float | None:
    """Returns when a process of this host started, if it runs, by the host's clock of now."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None


def _lock_path(paths: StudyPaths, worker: Mapping[str, Any]) -> Path:
    return paths.presence / f"{worker['host']}-{worker['pid']}-{worker['started']}.lock"
