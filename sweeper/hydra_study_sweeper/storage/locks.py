"""The locks of a study: released with their holder, by the kernel or by the database's server.

They are kept where the trials are, so that all who see the trials see the locks.
"""

from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock

from hydra_study_sweeper.options import StudySpec
from hydra_study_sweeper.paths import StudyPaths

POLL_SECONDS = 0.002  # filelock's own 50 ms would be longer than all else that a trial costs


class FolderLock(FileLock):
    """A `FileLock` that does not make its folder, since that was moved away if it is missing."""

    def acquire(self, *arguments: Any, **options: Any) -> Any:
        """Does what `FileLock.acquire` does.

        Raises:
            FileNotFoundError: If the folder is missing.
        """
        Path(self.lock_file).parent.stat()
        return super().acquire(*arguments, **options)


class Lock(Protocol):
    """What a `FileLock` and the lock of a database server have in common."""

    def acquire(self, timeout: float = -1) -> object:
        """Waits for the lock, or with 0 raises `filelock.Timeout` if it is not free."""

    def release(self) -> None:
        """Gives it back."""

    def __enter__(self) -> object: ...

    def __exit__(self, *problem: Any) -> None: ...


def brief_lock(path: Path) -> FolderLock:
    """Returns a lock that is held for milliseconds."""
    return FolderLock(path, poll_interval=POLL_SECONDS, preserve_lock_file=True)


def claim_lock(spec: StudySpec) -> Lock:
    """Returns the lock that is held while a trial of a study is claimed or settled."""
    return _server_lock(spec, "claim") or brief_lock(StudyPaths(spec.folder).claim_lock)


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
