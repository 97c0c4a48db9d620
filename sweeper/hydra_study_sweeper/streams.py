"""Standard streams that are closed, whose reader goes away, or that lack a character."""

import errno
import io
import logging
import os
import re
import sys
from pathlib import Path
from typing import Any

CLOSED = (errno.EPIPE, errno.EIO)  # the reader of a pipe, or the terminal, is gone


def open_streams() -> None:
    r"""Makes the standard streams usable, whatever they were at the start of the process.

    A closed one becomes the null device; otherwise the next file that is opened has its number, and
    what libraries print goes into that file. What an encoding lacks is written as `\uXXXX`. A
    terminal of no columns, which rich would fill with nothing, or of 5,000 digits, which it cannot
    read, has its default size.
    """
    for size in ("COLUMNS", "LINES"):
        if not re.fullmatch("[1-9][0-9]{0,4}", os.environ.get(size, "")):
            os.environ.pop(size, None)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            stream = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115
            os.set_inheritable(stream.fileno(), True)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)  # which keeps it open when another takes its place
        if mode == "w" and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def outlive_readers() -> None:
    """Ends the display, and not the process, when nobody can read standard output or error.

    Where a pipe's reader or a terminal is gone, what is printed from then on goes to the null
    device. Other errors, such as a full disk, stay errors. Handlers of logging are kept up to date.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        buffer = getattr(stream, "buffer", None)
        if type(getattr(buffer, "raw", buffer)) is io.FileIO:  # neither a display nor others
            stream.flush()
            setattr(sys, name, _outliving(stream))
            for handler in logging.getLogger().handlers:
                if isinstance(handler, logging.StreamHandler) and handler.stream is stream:
                    handler.setStream(getattr(sys, name))


def end_output() -> None:
    """Writes what standard output still holds, or drops it where that cannot be done."""
    try:
        sys.stdout.flush()
    except OSError:
        to_null(sys.stdout.fileno())


class _Display(io.FileIO):
    def write(self, content: Any) -> int:
        try:
            return super().write(content)
        except OSError as error:
            if error.errno not in CLOSED:
                raise OSError(error.errno, error.strerror, "standard output") from error
        to_null(self.fileno())
        return super().write(content)


def _outliving(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    display: Any = _Display(stream.fileno(), "w", closefd=False)
    is_buffered = isinstance(stream.buffer, io.BufferedWriter)  # not with PYTHONUNBUFFERED=1
    return io.TextIOWrapper(
        io.BufferedWriter(display) if is_buffered else display,
        stream.encoding,
        stream.errors,
        line_buffering=stream.line_buffering,
        write_through=not is_buffered,
    )


def to_null(number: int) -> None:
    """Has a file descriptor lead to the null device, for C libraries and child processes, too."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, number)
    os.close(null)
