"""Work that one of several processes does for all."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock
from hydra_study_sweeper.paths import host_lock


@contextmanager
def one_process_at_a_time(path: Path) -> Iterator[None]:
    """Lets one process of this machine make a file, if there is a place for its lock."""
    name = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    with ExitStack() as stack:
        with suppress(OSError):
            stack.enter_context(FileLock(host_lock(name)))
        yield
