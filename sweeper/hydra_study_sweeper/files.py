"""Files that are either whole or not there, and JSON files with a type.

Every `RecordError` is about one file that cannot be used: missing, damaged, or of another program.
"""

import errno
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from hydra_study_sweeper.paths import REFIT_OF
from hydra_study_sweeper.printable import one_line

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Record = TypeVar("Record", bound="DataclassInstance")

UNFINISHED = ".unfinished-"  # prefix of the folders of files that are being written
LARGEST_RECORD = 2**26  # bytes; what a record of a million trials needs, and far from all memory


class RecordError(Exception):
    """A file cannot be used as the record that it should be; the message is the reason."""


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yields a temporary path that replaces `path` at the end of the block.

    If the block raises (a full disk, Ctrl-C), the file at `path` stays as it was.

    Args:
        path: The file to write; its folder must exist.
        durable: Whether the content is forced to disk first, so that the file is whole even after
            a power cut.

    Yields:
        A path with the same suffix, in a folder of its own beside `path`. That folder collects
        whatever a library leaves behind, and nothing in it has the name of a finished file.

    Raises:
        OSError: If `path` exists and is not a regular file (a device, a pipe).
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    with beside(path) as folder:
        temporary = Path(folder) / f"unfinished{path.suffix}"
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        if durable:
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        temporary.replace(path)


def beside(path: Path) -> "tempfile.TemporaryDirectory[str]":
    """Makes a temporary folder beside `path`, in which what replaces it is made.

    Raises:
        OSError: If that cannot be; it names `path`, since the temporary name says nothing.
    """
    try:
        return tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=path.parent)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def check_place(path: Path) -> None:
    """Makes sure that `path` can be written, before long work; its folders may be missing yet.

    Raises:
        OSError: If it cannot.
    """
    while not path.parent.exists():
        path = path.parent
    beside(path).cleanup()


def discard_unfinished(folder: Path) -> None:
    """Deletes the unfinished files of killed processes in a folder in which nobody writes now."""
    for left in folder.glob(f"{UNFINISHED}*"):
        shutil.rmtree(left, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Writes `text` to `path` as UTF-8, atomically, with its line endings as they are."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def write_record(path: Path, record: "DataclassInstance") -> None:
    """Writes a dataclass as JSON, atomically."""
    write_text(path, json.dumps(asdict(record), indent=2, allow_nan=False) + "\n")


def read_record(kind: type[Record], path: Path) -> Record:
    """Reads a file that `write_record` wrote. Fields that the type does not have are ignored.

    Raises:
        RecordError: If the file is missing, is not a regular file, is too large, or does not have
            the fields of the type.
    """
    try:
        return msgspec.json.decode(read_bounded(path, LARGEST_RECORD), type=kind)
    except FileNotFoundError as error:
        raise RecordError("missing") from error
    except OSError as error:
        raise RecordError(f"unreadable: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecordError(f"unreadable: {one_line(str(error))}") from error


def read_bounded(path: Path, limit: int) -> bytes:
    """Reads a regular file of at most `limit` bytes.

    A pipe or a device would never end, and a link may lead to what its maker could not read.

    Raises:
        OSError: If it is something else, larger, or cannot be read.
    """
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > limit:
            raise OSError(errno.EFBIG, f"larger than {limit} bytes", str(path))
        return file.read(limit)


def open_regular(path: Path) -> BufferedReader:
    """Opens a regular file for reading.

    Raises:
        OSError: If it is a link, a pipe, a device or a folder, or cannot be read.
    """
    # Opening a pipe would wait for its writer, hence O_NONBLOCK.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise OSError(errno.EINVAL, "a symbolic link", str(path)) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return os.fdopen(descriptor, "rb")


def refuse_links(folder: Path) -> None:
    """Makes sure that no link leads out of a folder from where this program or Hydra writes.

    Those places are the top of the folder and of a refit in it, Hydra's records, TensorBoard's
    files, and the logs. An application may have links elsewhere.

    Raises:
        OSError: If there is such a link.
    """
    within = folder.resolve()
    for where, folders, files in os.walk(folder):
        here = Path(where)
        below = here.relative_to(folder).parts
        is_top = not below or here.name.startswith(REFIT_OF) or below[0] == "tensorboard"
        for name in (*folders, *files):
            is_written = is_top or ".hydra" in (here.name, name) or name.endswith(".log")
            link = here / name
            if is_written and link.is_symlink() and not link.resolve().is_relative_to(within):
                raise OSError(errno.EINVAL, "a symbolic link that leads elsewhere", str(link))


def not_through_links(path: str, flags: int) -> int:
    """An opener for files that are written.

    A link may lead to what its maker could not write; a pipe would wait for its reader.
    """
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
