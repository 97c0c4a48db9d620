"""Whether the worker of a trial still lives.

On the same host the process itself tells. Elsewhere, or where the host has another name now, a lock
in the study's folder does, which the kernel releases when its holder ends.
"""

import contextlib
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import filelock
import psutil

from rnnclf.study.paths import StudyPaths


def process_identity() -> dict[str, Any]:
    """Names this process so that others can tell whether it still lives."""
    process = psutil.Process()
    return {
        "host": socket.gethostname(),
        "pid": process.pid,
        "started": round(process.create_time(), 1),
    }


@contextlib.contextmanager
def presence(paths: StudyPaths) -> Iterator[None]:
    """Holds the lock that says that this process is a living worker of the study."""
    paths.presence.mkdir(exist_ok=True)
    with filelock.FileLock(_lock_path(paths, process_identity())):
        yield


def is_gone(worker: Mapping[str, Any], paths: StudyPaths) -> bool:
    """Tells whether a worker process has certainly ended.

    Args:
        worker: Its `process_identity`.
        paths: Of its study.
    """
    if worker["host"] == socket.gethostname():
        return not _runs_here(worker)
    path = _lock_path(paths, worker)
    if not path.exists():
        return False  # it does not share this folder
    try:
        with filelock.FileLock(path, timeout=0, preserve_lock_file=True):
            return True
    except filelock.Timeout:
        return False


def _runs_here(worker: Mapping[str, Any]) -> bool:
    try:
        process = psutil.Process(worker["pid"])
        same = abs(process.create_time() - worker["started"]) < 1
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _lock_path(paths: StudyPaths, worker: Mapping[str, Any]) -> Path:
    return paths.presence / f"{worker['host']}-{worker['pid']}-{worker['started']}.lock"
