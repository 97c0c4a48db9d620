"""Which columns of a table have the text and the label: named, numbered, or found."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hydra_study_sweeper.printable import one_line

from rnnclf.errors import DataError, SettingError

TEXT = (
    *("text", "sentence", "review", "message", "content", "body", "comment", "tweet", "question"),
    *("document", "description", "utterance", "query", "headline", "title", "sms"),
)
LABEL = (
    *("label", "class", "category", "target", "intent", "sentiment", "topic", "tag", "polarity"),
    *("rating", "stars", "score", "y"),
)

LONGEST_NUMBER = 10  # digits; Python refuses to read thousands
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
    width = len(sample[0])
    names = [name.strip() for name in sample[0]] if header else [""] * width
    names = [name or str(number) for number, name in enumerate(names, start=1)]
    rows = [row for row in sample[header:] if len(row) == width]
    taken = [_position(column, names, where, "text") for column in text]
    of_label = None if label is None else _position(label, names, where, "label")
    found_text, found_label = _find(names, rows, taken, of_label)
    if not taken:
        if found_text is None:
            raise _ask("text", names, where, header)
        taken = [found_text]
    if of_label is None:
        of_label = found_label
        if of_label is None and labelled:
            raise _ask("label", names, where, header)
    if of_label in taken:
        raise DataError(f"{where}: {one_line(names[of_label or 0])} cannot be both text and label")
    return Chosen(names, taken, of_label, not text or (label is None and labelled), header)


def has_header(sample: Sequence[Sequence[str]], given: Sequence[Column]) -> bool:
    """Returns whether the first row of a table has names: usual ones, or values unlike the others'.

    It has none if one of its values occurs again or is a number. It has names if a column is of
    numbers from the second row on, or if it is much shorter than the others.
    """
    first, others = [value.strip() for value in sample[0]], sample[1:]
    # Digits may be the number of a column, or a value in the first row.
    if any(column in first and not str(column).isdecimal() for column in given):
        return True
    if any(_usual(value, (*TEXT, *LABEL)) == 2 for value in first):
        return True
    named = [value for value in first if value]
    if all(
        any(_usual(value, usual) for value in named if len(value) < 40) for usual in (TEXT, LABEL)
    ):
        return True
    if len(set(named)) < len(named) or any(_is_number(value) for value in named):
        return False
    below = [[row[n].strip() for row in others if len(row) > n] for n in range(len(first))]
    columns = [(value, values) for value, values in zip(first, below, strict=True) if value]
    if any(value in values for value, values in columns):
        return False
    lengths = [sum(map(len, row)) for row in others]
    much_shorter = bool(lengths) and 2 * sum(map(len, first)) < sum(lengths) / len(lengths)
    return much_shorter or any(_are_numbers(values) for _, values in columns)


def _position(column: Column, names: Sequence[str], where: str, role: str) -> int:
    """Returns the position of a column that the user names, or numbers if none has that name."""
    is_number = isinstance(column, str) and column.isdecimal() and len(column) < LONGEST_NUMBER
    if is_number and column not in names:
        column = int(column)
    if isinstance(column, int):
        if 1 <= column <= len(names):
            return column - 1
        raise SettingError(f"{where}: ", role, f"={column}: no such column; {_list(names)}")
    same = [position for position, name in enumerate(names) if name == column]
    same = same or [n for n, name in enumerate(names) if name.casefold() == column.casefold()]
    if len(same) != 1:
        what = "no column has that name" if not same else "two columns have that name; use a number"
        raise SettingError(f"{where}: ", role, f"={column}: {what}; {_list(names)}")
    return same[0]


def _find(
    names: Sequence[str], rows: Sequence[Sequence[str]], text: list[int], label: int | None
) -> tuple[int | None, int | None]:
    """Finds text and label where they are not given: by names, or by what the columns are like."""
    free = [position for position in range(len(names)) if position not in text]
    free = [position for position in free if position != label]
    found_text = text[0] if text else _by_name(names, free, TEXT)
    if found_text is None:
        found_text = _longest(rows, free)
    free = [position for position in free if position != found_text]
    found_label = _by_name(names, free, LABEL) if label is None else label
    if found_label is None:
        repeated = [position for position in free if _repeats(rows, position)]
        found_label = repeated[0] if len(repeated) == 1 else None
        if len(free) == 1:
            found_label = free[0]
    return found_text, found_label


def _by_name(names: Sequence[str], free: Sequence[int], usual: Sequence[str]) -> int | None:
    """Returns the column with the most usual name, or the only one with a usual word in it."""
    for name in usual:
        same = [position for position in free if names[position].casefold() == name]
        if len(same) == 1:
            return same[0]
    alike = [position for position in free if _usual(names[position], usual)]
    return alike[0] if len(alike) == 1 else None


def _usual(name: str, usual: Sequence[str]) -> int:
    """Returns 2 if a name is usual, 1 if a word in it is."""
    words = re.findall(r"[^\W_]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).casefold())
    if name.strip().casefold() in usual or "".join(words) in usual:
        return 2
    return int(any(word.removesuffix("s") in usual or word in usual for word in words))


def _longest(rows: Sequence[Sequence[str]], free: Sequence[int]) -> int | None:
    """Returns the column whose values are at least twice as long as those of any other."""
    if len(free) == 1:
        return free[0]
    lengths = sorted((sum(len(row[position]) for row in rows), position) for position in free)
    if not lengths or lengths[-1][0] < 2 * lengths[-2][0]:
        return None
    return lengths[-1][1]


def _repeats(rows: Sequence[Sequence[str]], position: int) -> bool:
    """Returns whether a column has few values, each of them often, and is seldom empty."""
    values = [value for row in rows if (value := row[position].strip())]
    if len(values) < 0.9 * len(rows):
        return False
    return 1 < len(set(values)) <= max(2, len(rows) / 3)


def _is_number(value: str) -> bool:
    return bool(re.fullmatch(r"[+-]?\d+([.,]\d+)?", value))


def _are_numbers(values: Sequence[str]) -> bool:
    given = [value for value in values if value]
    return len(given) > 1 and all(map(_is_number, given))


def _ask(role: str, names: Sequence[str], where: str, header: bool) -> SettingError:
    return SettingError(
        f"{where}: which column has the {role}? set ",
        role,
        f" to a name or a number; {_list(names)}{'' if header else ' (no header was recognised)'}",
    )


def _list(names: Sequence[str]) -> str:
    return "columns: " + ", ".join(map(one_line, names[:20])) + (", …" if len(names) > 20 else "")
