"""The locks of a study: released with their holder, by the kernel or by the database's server.

They are kept where the trials are, so that all who see the trials see the locks.
"""

import fcntl
import os
import threading
from pathlib import Path
from typing import Any, Protocol

import filelock

from hydra_study_sweeper.options import StudySpec
from hydra_study_sweeper.paths import StudyPaths


class FolderLock(threading.local):
    """A lock on a file, for which the kernel wakes one waiting process after the other.

    `filelock.FileLock` asks again every few milliseconds and makes a missing folder, but a study's
    folder that is missing was moved away.

    Args:
        path: The file, which stays behind.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def acquire(self, timeout: float = -1) -> None:
        """Waits for the lock.

        Args:
            timeout: 0 not to wait for it, as `filelock.FileLock` has it.

        Raises:
            FileNotFoundError: If the folder is missing.
            filelock.Timeout: If it is not free and not waited for.
        """
        assert self._file is None, "it is not held by this thread"
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (fcntl.LOCK_NB if timeout == 0 else 0))
        except BlockingIOError as error:
            os.close(file)
            raise filelock.Timeout(str(self._path)) from error
        except BaseException:
            os.close(file)
            raise
        self._file = file

    def release(self) -> None:
        """Gives it back."""
        assert self._file is not None, "it was acquired"
        file, self._file = self._file, None
        fcntl.flock(file, fcntl.LOCK_UN)  # also where a process was forked meanwhile
        os.close(file)

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *problem: Any) -> None:
        self.release()


class Lock(Protocol):
    """What the lock of a folder and that of a database server have in common."""

    def acquire(self, timeout: float = -1) -> object:
        """Waits for the lock, or with 0 raises `filelock.Timeout` if it is not free."""

    def release(self) -> None:
        """Gives it back."""

    def __enter__(self) -> object: ...

    def __exit__(self, *problem: Any) -> None: ...


def claim_lock(spec: StudySpec) -> Lock:
    """Returns the lock that is held while a trial of a study is claimed or settled."""
    return _server_lock(spec, "claim") or FolderLock(StudyPaths(spec.folder).claim_lock)


def owner_lock(spec: StudySpec) -> Lock:
    """Returns the lock of the process that runs a study to its end."""
    return _server_lock(spec, "owner") or FolderLock(StudyPaths(spec.folder).owner_lock)


def _server_lock(spec: StudySpec, purpose: str) -> Lock | None:
    if spec.storage is None:
        return None
    # SQLAlchemy takes a tenth of a second to import, for which other studies need not wait.
    from hydra_study_sweeper.storage.database import ServerLock, keeps_locks

    if not keeps_locks(spec.storage):
        return None
    return ServerLock(spec.storage, f"{spec.name}: {purpose}")
