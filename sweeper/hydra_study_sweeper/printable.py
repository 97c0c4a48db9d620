"""Words for people: text of others made safe for a terminal, and numbers of things."""

import errno
import re

# Control characters, by which a text could rule the terminal; other ends of lines; marks that turn
# the direction of writing; halves of a pair, which cannot be encoded. Line feed and tab stay.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    r"""Writes every character that could rule a terminal as `\uXXXX`, as in JSON."""
    return _UNSAFE.sub(lambda character: f"\\u{ord(character[0]):04x}", text)


def one_line(text: str) -> str:
    """Writes a text that may have several lines as a printable one."""
    return printable(" ".join(text.split()))


def counted(count: int, one: str, many: str | None = None) -> str:
    """Writes a number of things: `1 run`, `2 runs`; `many` if that is not `one` with an s."""
    return f"{count} {one if count == 1 else many or f'{one}s'}"


def told(error: OSError) -> str:
    """Says where an operation on a file failed, why, and what to do about a place out of reach."""
    place = error.filename2 or error.filename
    text = f"{place}: {error.strerror}" if place else str(error)
    out_of_reach = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)
    if error.errno in out_of_reach:
        return f"{text}; change its rights, or choose another place"
    return text
