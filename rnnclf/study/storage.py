"""Where trials are kept: Optuna's journal in the study's folder, or a database."""

import os
import warnings
from pathlib import Path

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
        return optuna.storages.get_storage(url)
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
