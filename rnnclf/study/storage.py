"""Where trials are kept: Optuna's journal in the study's folder, or a database.

Locks that are held for milliseconds or hours come from the same place, so that all who see the
trials see the locks. What is for databases alone is imported where it is needed: it takes a tenth
of a second, which each worker would wait.
"""

import os
import warnings
from pathlib import Path
from typing import Any, Protocol

import optuna
from filelock import FileLock
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock

from rnnclf.study.paths import StudyPaths


def brief_lock(path: Path) -> FileLock:
    """Returns a lock for milliseconds, which the kernel releases when its holder dies.

    Who waits looks again every 2 ms; filelock's 50 ms would be longer than what a trial costs.
    """
    return FileLock(path, poll_interval=0.002, preserve_lock_file=True)


class Lock(Protocol):
    """What a `FileLock` and the lock of a database server have in common."""

    def acquire(self, timeout: float = -1) -> object:
        """Waits for the lock, or with 0 raises `filelock.Timeout` if it is not free."""

    def release(self) -> None:
        """Gives it back."""

    def __enter__(self) -> object: ...

    def __exit__(self, *problem: Any) -> None: ...


def claim_lock(url: str | None, name: str, paths: StudyPaths) -> Lock:
    """Returns the lock of a study that is held while a trial is taken or settled."""
    return _server_lock(url, f"{name}: claim") or brief_lock(paths.claim_lock)


def owner_lock(url: str | None, name: str, paths: StudyPaths) -> Lock:
    """Returns the lock of the process that runs a study to its end."""
    return _server_lock(url, f"{name}: owner") or FileLock(paths.owner_lock)


def _server_lock(url: str | None, name: str) -> Lock | None:
    if url is None:
        return None
    from rnnclf.study.database import ServerLock, keeps_locks

    return ServerLock(url, name) if keeps_locks(url) else None


def check_storage(url: str | None) -> None:
    """Makes sure that a database can be reached.

    Raises:
        UserError: If its driver is not installed, or it does not answer.
    """
    if url is not None:
        from rnnclf.study.database import check_server, is_server

        if is_server(url):
            check_server(url)


class _JournalLock(BaseJournalFileLock):
    """Ours in place of Optuna's, which a killed process leaves behind."""

    def __init__(self, path: Path) -> None:
        self._lock = brief_lock(path)

    def acquire(self) -> bool:
        self._lock.acquire()
        return True

    def release(self) -> None:
        self._lock.release()


def open_storage(url: str | None, paths: StudyPaths) -> BaseStorage:
    """Opens the database at `url`, or the study's own journal."""
    if url is not None:
        from rnnclf.study.database import is_server, open_server

        return open_server(url) if is_server(url) else optuna.storages.get_storage(url)
    lock = _JournalLock(paths.journal_lock)
    if paths.journal.exists():
        with brief_lock(paths.journal_lock):
            _cut_torn_line(paths.journal)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return JournalStorage(JournalFileBackend(str(paths.journal), lock_obj=lock))


def _cut_torn_line(journal: Path) -> None:
    """Removes the half of a line that a full disk left; what it said was never confirmed."""
    with journal.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        tail = min(size, 1 << 20)
        file.seek(size - tail)
        content = file.read(tail)
        if content and not content.endswith(b"\n"):
            file.truncate(size - tail + content.rfind(b"\n") + 1)
