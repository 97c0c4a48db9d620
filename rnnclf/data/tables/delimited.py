"""CSV and its kin: how a file separates and quotes, and its rows with their lines.

Python's reader knows the line of each row and can go on after one that is broken. pandas, Polars,
DuckDB and pyarrow were tried: they end, leave rows out without a word, or lose count of the lines.
"""

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hydra_study_sweeper.printable import one_line

from rnnclf.files.predictions import LONGEST_FIELD
from rnnclf.files.words import shortened

SHOWN = 40  # characters of a row's content
DELIMITERS = {",": "CSV", "\t": "TSV", ";": "CSV with ;", "|": "CSV with |"}


@dataclass(frozen=True)
class Broken:
    """What is to be said of a row that cannot be used.

    Attributes:
        reason: Why.
        content: Its text, or that of its first line.
    """

    reason: str
    content: str

    def __str__(self) -> str:
        content = shortened(one_line(self.content), SHOWN)
        return self.reason + (f" ({content})" if content else "")


Row = tuple[int, list[Any] | Broken]  # the line on which it begins, and its fields


@dataclass(frozen=True)
class Dialect:
    r"""How fields are separated and quoted.

    Attributes:
        delimiter: What separates the fields.
        quotes: Whether a field may be in double quotes.
        backslash: Whether a quote inside is written `\"` and not `""`.
        blanks: Whether blanks come before a quote, and before other fields.
        because: The row that cannot be parsed with quotes, where there are none.
    """

    delimiter: str
    quotes: bool = True
    backslash: bool = False
    blanks: bool = False
    because: str = ""

    def __str__(self) -> str:
        note = "" if self.quotes else f" without quotes, which would break {self.because}"
        note += " with \\ before quotes" * self.backslash
        return DELIMITERS[self.delimiter] + note + " with blanks before quotes" * self.blanks


def find_dialect(sample: Sequence[str], delimiters: Iterable[str]) -> Dialect | None:
    r"""Finds the delimiter with which most lines of a sample have as many fields as the first.

    Quotes are those of RFC 4180, unless they break a row and `\"` breaks fewer, or unless the file
    does not use quotes and no row is broken without them.

    Returns:
        The dialect, or None if none of the delimiters is in the first row.
    """
    shares = {delimiter: _share(sample, Dialect(delimiter)) for delimiter in delimiters}
    best = max(shares, key=lambda delimiter: shares[delimiter])
    share, escaped = shares[best], Dialect(best, backslash=True)
    spaced = Dialect(best, blanks=True)
    if _has_spaced_quotes(sample, best) and _share(sample, spaced) >= share:
        return spaced
    if share < 1:
        if any('\\"' in line for line in sample) and _share(sample, escaped) > share:
            return escaped
        for delimiter in (best, *shares):
            plain = Dialect(delimiter, quotes=False)
            if _share(sample, plain) == 1 and not _uses_quotes(sample, plain):
                return replace(plain, because=_first_broken(sample, delimiter))
    return Dialect(best) if share else None


def _uses_quotes(sample: Sequence[str], plain: Dialect) -> bool:
    """Returns whether quotes are around fields, although none of these needs them.

    Then most rows have them, or a quote inside them is doubled. Elsewhere a text may be a
    quotation, and a quote a slip.
    """
    rows = [row for _, row in records(sample, plain) if not isinstance(row, Broken)]
    quoted = [[field[1:-1] for field in row if re.fullmatch('".*"', field)] for row in rows]
    doubled = any('""' in field for row in quoted for field in row)
    return doubled or 2 * sum(map(bool, quoted[1:])) > len(rows[1:])  # the first may have names


def _has_spaced_quotes(sample: Sequence[str], delimiter: str) -> bool:
    """Returns whether a blank stands between a delimiter and a quote, as in `a text, "a label"`."""
    rows = (row for _, row in records(sample, Dialect(delimiter)) if not isinstance(row, Broken))
    return any(
        field.lstrip(" ").startswith('"') for row in rows for field in row if field[:1] == " "
    )


def _first_broken(sample: Sequence[str], delimiter: str) -> str:
    """Describes the first row that cannot be parsed with quotes."""
    parsed = list(records(sample, Dialect(delimiter)))
    width = next((len(row) for _, row in parsed if not isinstance(row, Broken)), 0)
    for number, row in parsed:
        if isinstance(row, Broken):
            return f"line {number}: {row}"
        if len(row) != width:
            return f"line {number}: {len(row)} fields instead of {width}"
    return ""


def _share(sample: Sequence[str], dialect: Dialect) -> float:
    """Returns the share of rows with as many fields as the first; 0 if that has only one."""
    rows = [row for _, row in records(sample, dialect)]
    rows = rows[:-1] or rows  # the sample may end within the last
    widths = [0 if isinstance(row, Broken) else len(row) for row in rows]
    return widths.count(widths[0]) / len(widths) if widths and widths[0] > 1 else 0


def records(lines: Iterable[str], dialect: Dialect) -> Iterator[Row]:
    """Yields the rows that are not blank, each with the line on which it begins.

    A row that cannot be parsed costs its first line: the next row begins on the line after that.
    So does a row of several lines with more or fewer fields than the first; a quote is missing.
    """
    csv.field_size_limit(LONGEST_FIELD)
    source = _Lines(lines)
    reader = csv.reader(
        source,
        delimiter=dialect.delimiter,
        quoting=csv.QUOTE_MINIMAL if dialect.quotes else csv.QUOTE_NONE,
        escapechar="\\" if dialect.backslash else None,
        skipinitialspace=dialect.blanks,
        strict=True,
    )
    number, width = 1, 0
    while True:
        source.of_row.clear()
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            reason = _reason(str(error), len(source.of_row))
            yield number, Broken(reason, source.of_row[0].strip())
            source.begin_again()
        else:
            width = width or len(row)
            if len(row) not in (0, width) and (taken := len(source.of_row)) > 1:
                reason = (
                    f"{len(row)} fields instead of {width} on {taken} lines; is a quote missing?"
                )
                yield number, Broken(reason, source.of_row[0].strip())
                source.begin_again()
            elif row and not (width > 1 and len(row) == 1 and row[0].isspace()):
                yield number, row
        number += len(source.of_row)


class _Lines:
    """Lines of which those of a broken row can be read again, without the first."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._again: deque[str] = deque()
        self.of_row: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self.of_row.append(line)
        return line

    def begin_again(self) -> None:
        """Puts back all lines of the row but the first."""
        # A line that leaves a quote open would have closed the quote before it, so no line is
        # read more than a few times.
        self._again.extendleft(reversed(self.of_row[1:]))
        del self.of_row[1:]


def _reason(error: str, lines: int) -> str:
    if error.startswith("unexpected end of data") or lines > 1:
        return "a quote is opened and never closed"
    if "expected after" in error:
        return "more text after a closing quote; a quote inside a field must be doubled"
    return error
