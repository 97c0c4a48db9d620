"""Files that are either whole or not there."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNFINISHED = ".unfinished-"  # how folders of files that are being written begin


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yields a temporary path that takes the place of `path` once the block has ended well.

    What stood at `path` stays until then, and for good if the block raises (a full disk, Ctrl-C).

    Args:
        path: The file to write; its folder must exist.
        durable: Whether the content must be on the disk before it takes its place, so that it is
            whole even after a power cut.

    Yields:
        A path with the same ending in a folder of its own beside it, to be written by the block.
        That folder takes up what a library leaves there, too, and all that a killed process does;
        nothing in it has the name of a finished file.

    Raises:
        OSError: If `path` is there and no regular file (a device, a pipe).
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=path.parent) as folder:
        temporary = Path(folder) / f"unfinished{path.suffix}"
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        if durable:
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        temporary.replace(path)


def discard_unfinished(folder: Path) -> None:
    """Deletes what killed processes were writing in a folder in which nobody writes now."""
    for left in folder.glob(f"{UNFINISHED}*"):
        shutil.rmtree(left, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Writes `text` as UTF-8 to `path`, atomically, with the line ends it has."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
