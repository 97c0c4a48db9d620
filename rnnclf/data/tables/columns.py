"""Which columns of a table have the text and the label: named, numbered, or found."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hydra_study_sweeper.printable import one_line

from rnnclf.data.tables.guess import find_label, find_text, has_header
from rnnclf.errors import DataError, SettingError
from rnnclf.files.words import first_of, shortened

LONGEST_NUMBER = 10  # digits; Python refuses to read thousands
LISTED, SHOWN = 20, 20  # columns in a message, and characters of what stands in them
Column = str | int  # a name, or a number from 1


def columns_of(text: str | int | None) -> list[Column]:
    """Returns the text columns that `dataset.text` names, such as `title+body`."""
    return [] if text is None else list(str(text).split("+"))


@dataclass(frozen=True)
class Chosen:
    """The columns of a table that are used.

    Attributes:
        names: The names of all columns; the numbers of those without one.
        text: The positions of the text columns.
        label: The position of the label column, if there is one.
        found: Whether at least one was found and not named.
        header: Whether the first row has the names.
    """

    names: list[str]
    text: list[int]
    label: int | None
    found: bool
    header: bool

    def named(self, positions: Iterable[int]) -> str:
        """Names some of the columns."""
        return one_line("column " + " and ".join(self.names[position] for position in positions))

    def __str__(self) -> str:
        text = " and ".join(self.names[position] for position in self.text)
        label = "" if self.label is None else f", label from {self.names[self.label]}"
        how = " (found)" if self.found else ""
        header = "" if self.header else ", no header"
        return one_line(f"text from {text}{label}{how}{header}")


def choose(
    sample: Sequence[Sequence[str]],
    *,
    header: bool | None,
    text: Sequence[Column],
    label: Column | None,
    labelled: bool,
    where: str,
) -> Chosen:
    """Chooses the columns of a table.

    Args:
        sample: Its first rows.
        header: Whether the first of them has the names; None: it is found out.
        text: The text columns, if they are named.
        label: The label column, if it is named.
        labelled: Whether a label is needed.
        where: Names the file in messages.

    Raises:
        DataError: If a column is missing, or its name occurs twice, or none can be found.
    """
    if header is None:
        header = has_header(sample, [*text, *([] if label is None else [label])])
    columns = _Columns(where, sample[0], header)
    rows = [row for row in sample[header:] if len(row) == len(sample[0])]
    of_text = [columns.position(column, "text") for column in text]
    of_label = None if label is None else columns.position(label, "label")
    if not of_text:
        free = [position for position in range(len(columns.names)) if position != of_label]
        of_text = [columns.found(find_text(columns.names, rows, free), "text")]
    if of_label is None:
        free = [position for position in range(len(columns.names)) if position not in of_text]
        of_label = find_label(columns.names, rows, free)
        if labelled:
            of_label = columns.found(of_label, "label")
    if of_label in of_text:
        same = one_line(columns.names[of_label or 0])
        raise DataError(f"{where}: {same} cannot be both text and label")
    found = not text or (label is None and labelled)
    return Chosen(columns.names, of_text, of_label, found, header)


class _Columns:
    """The columns of a table by their names, or by their numbers where they have none.

    Args:
        where: Names the file in messages.
        first: The first row.
        header: Whether it has the names.
    """

    def __init__(self, where: str, first: Sequence[str], header: bool) -> None:
        self.names = [
            (header and value.strip()) or str(number) for number, value in enumerate(first, start=1)
        ]
        self._where, self._first, self._header = where, first, header

    def position(self, column: Column, role: str) -> int:
        """Returns the position of a column that the user names, or numbers if none is so named."""
        names = self.names
        is_number = isinstance(column, str) and column.isdecimal() and len(column) < LONGEST_NUMBER
        if is_number and column not in names:
            column = int(column)
        if isinstance(column, int):
            if 1 <= column <= len(names):
                return column - 1
            raise self._error(role, f"={column}: no such column")
        same = [position for position, name in enumerate(names) if name == column]
        same = same or [n for n, name in enumerate(names) if name.casefold() == column.casefold()]
        if not same:
            raise self._error(role, f"={column}: no column has that name")
        if len(same) > 1:
            raise self._error(role, f"={column}: two columns have that name; use a number")
        return same[0]

    def found(self, position: int | None, role: str) -> int:
        """Returns a position that was found, or asks for it."""
        if position is None:
            asked = " to a name or a number" if self._header else " to a number"
            raise self._error(role, asked, f"which column has the {role}? set ")
        return position

    def _error(self, role: str, after: str, before: str = "") -> SettingError:
        named = zip(self.names, self._first, strict=True)
        listed = [
            one_line(name if self._header else f"{name} ({shortened(value, SHOWN)})")
            for name, value in named
        ]
        note = "" if self._header else "; no header was recognised"
        columns = f"{after}; columns: {first_of(listed, LISTED)}{note}"
        return SettingError(f"{self._where}: {before}", role, columns)
