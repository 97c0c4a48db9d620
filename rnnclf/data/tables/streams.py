"""Data files as lines of text: links, pipes, gzip, encodings, and an end to everything."""

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from hydra_study_sweeper.files import open_regular

from rnnclf.errors import DataError, SettingError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

LARGEST = 2**30  # bytes, unpacked; all texts of a file are in memory
LONGEST_LINE = 2**26  # characters
MOST_LINES = 30_000_000  # a few kilobytes may unpack to a billion that are empty
MARKS = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
GZIP = b"\x1f\x8b"
FOREIGN = {
    b"PK\x03\x04": "a zip archive or an Excel file; unpack it, or save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel file; save the sheet as CSV",
    b"BZh": "compressed with bzip2; unpack it, or use gzip",
    b"\xfd7zXZ": "compressed with xz; unpack it, or use gzip",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; unpack it, or use gzip",
}


@contextmanager
def open_data(
    path: Path, *, may_be_link: bool = True, largest: int = LARGEST
) -> Iterator[io.BufferedReader]:
    """Opens a data file, unpacked if it is gzipped.

    A pipe is read where the user may name any file, that is with `may_be_link`.

    Args:
        path: The file.
        may_be_link: Whether links are followed: yes for a file that the user names, no for one
            that was found in a folder, where somebody else may have put the link.
        largest: The number of bytes that it may have, also unpacked.

    Yields:
        The bytes. Reading them raises DataError if there are more.

    Raises:
        DataError: If the file cannot be read or is damaged, also while it is being read.
    """
    try:
        with _open(path, may_be_link=may_be_link) as file:
            if os.fstat(file.fileno()).st_size > largest:
                raise too_large(path, largest)
            packed = file.peek(2)[:2] == GZIP
            content = gzip.GzipFile(fileobj=file) if packed else file
            yield io.BufferedReader(_Bounded(content, path, largest), 2**16)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: a damaged gzip file ({error})") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def too_large(path: Path, largest: int, when: str = "") -> DataError:
    """Says that a file is larger than what is read."""
    return DataError(f"{path}: larger than {largest} bytes{when}; take a sample of its rows")


def _open(path: Path, *, may_be_link: bool) -> io.BufferedReader:
    if may_be_link and path.is_fifo():
        return path.open("rb")
    return open_regular(Path(os.path.realpath(path)) if may_be_link else path)


class _Bounded(io.RawIOBase):
    """A file of which no more than `largest` bytes are read."""

    def __init__(self, file: io.BufferedIOBase, path: Path, largest: int) -> None:
        self._file, self._path, self._largest, self._left = file, path, largest, largest

    def readable(self) -> bool:
        """Tells that it can be read."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Reads the next bytes."""
        count = self._file.readinto(buffer)
        self._left -= count
        if self._left < 0:
            raise too_large(self._path, self._largest, " when it is unpacked")
        return count


@contextmanager
def decoded(
    file: io.BufferedReader, path: Path, encoding: str | None
) -> Iterator[io.TextIOWrapper]:
    """Reads a file of `open_data` as text, with its line ends as they are.

    Args:
        file: The bytes.
        path: Names the file in messages.
        encoding: Its encoding. None: by its byte order mark, or UTF-8.

    Yields:
        The text.

    Raises:
        DataError: If the file is of a foreign kind or cannot be decoded, also while it is read.
    """
    start = file.peek(8)
    for mark, what in FOREIGN.items():
        if start.startswith(mark):
            raise DataError(f"{path}: {what}")
    found = next((name for mark, name in MARKS.items() if start.startswith(mark)), "utf-8-sig")
    if (encoding or "utf-8").lower().replace("_", "-") in ("utf-8", "utf8"):
        encoding = found
    try:
        text = io.TextIOWrapper(file, encoding, newline="")
    except (LookupError, ValueError) as error:  # the latter for a NUL
        unknown = f"={encoding}: Python knows no encoding of that name"
        raise SettingError(f"{path}: ", "encoding", unknown) from error
    try:
        yield text
    except UnicodeError as error:
        # Since Python 3.13, UTF-16 and UTF-32 without their mark are of this kind as well.
        if isinstance(error, UnicodeDecodeError) and "BOM" not in error.reason:
            raise _undecodable(path, str(encoding), error) from error
        before = f"{path}: {error}; with -le or -be "
        raise SettingError(before, "encoding", " needs none") from error


def bounded_lines(file: io.TextIOWrapper, path: Path) -> Iterator[str]:
    """Yields the lines of a text, none without end.

    Raises:
        DataError: If a line is longer than `LONGEST_LINE`, or if there are more than `MOST_LINES`.
    """
    for number in count(1):
        line = file.readline(LONGEST_LINE)
        if not line:
            return
        if len(line) == LONGEST_LINE:
            raise DataError(f"{path}: line {number} has more than {LONGEST_LINE} characters")
        if number > MOST_LINES:
            raise DataError(f"{path}: more than {MOST_LINES} lines; take a sample of them")
        yield line


def _undecodable(path: Path, encoding: str, error: UnicodeDecodeError) -> SettingError:
    """Says where a file is not what it should be, and what it may be."""
    at = error.start
    before, after = bytes(error.object[:at]), bytes(error.object[at:])
    around = before.rpartition(b"\n")[2][-12:] + after.partition(b"\n")[0][:12]
    message = f"{path}: {_line_of(path, encoding)}byte 0x{error.object[at]:02x} is not "
    message += f"{encoding.upper().removesuffix('-SIG')}"
    try:
        guess = " ".join(around.decode("windows-1252").split())
    except UnicodeDecodeError:
        return SettingError(f"{message}; name the file's encoding with ", "encoding", "")
    return SettingError(f"{message}; if “{guess}” looks right, set ", "encoding", "=windows-1252")


def _line_of(path: Path, encoding: str) -> str:
    """Finds the line that cannot be decoded, where a line ends with a byte of its own."""
    if not path.is_file() or encoding.lower().startswith(("utf-16", "utf-32", "utf16", "utf32")):
        return ""
    with open_data(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError:
                return f"line {number}: "
    return ""
