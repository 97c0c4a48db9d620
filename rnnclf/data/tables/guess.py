"""Guesses about a table of which nobody said anything: has it a header, where are text and label?

Each is made from the names that people usually give, and from what stands in the first rows.
"""

import re
from collections.abc import Sequence

TEXT = (
    *("text", "sentence", "review", "message", "content", "body", "comment", "tweet", "question"),
    *("document", "description", "utterance", "query", "headline", "title", "sms"),
)
LABEL = (
    *("label", "class", "category", "target", "intent", "sentiment", "topic", "tag", "polarity"),
    *("rating", "stars", "score", "y"),
)
LONGEST_NAME = 40  # characters of a name in which a usual word may occur
OFTEN = 3  # texts of a class on average, at least

Rows = Sequence[Sequence[str]]


def has_header(sample: Rows, given: Sequence[str | int]) -> bool:
    """Returns whether the first row of a table has names: usual ones, or values unlike the others'.

    Args:
        sample: The first rows.
        given: The columns that the user names or numbers.
    """
    first = [value.strip() for value in sample[0]]
    columns = [
        (value, [row[position].strip() for row in sample[1:] if len(row) > position])
        for position, value in enumerate(first)
        if value
    ]
    if _has_given(first, given) or _has_usual_names(first):
        return True
    if _has_values(columns):
        return False
    return _is_much_shorter(sample) or any(_are_numbers(below) for _, below in columns)


def _has_given(first: Sequence[str], given: Sequence[str | int]) -> bool:
    # Digits may be the number of a column, or a value in the first row.
    return any(column in first and not str(column).isdecimal() for column in given)


def _has_usual_names(first: Sequence[str]) -> bool:
    """Returns whether a name is usual, or one has a word for texts and one a word for labels."""
    if any(_is_usual(value, (*TEXT, *LABEL)) for value in first):
        return True
    short = [value for value in first if len(value) < LONGEST_NAME]
    return all(any(_has_usual_word(value, usual) for value in short) for usual in (TEXT, LABEL))


def _has_values(columns: Sequence[tuple[str, Sequence[str]]]) -> bool:
    """Returns whether the first row has what names are not: numbers, or values that occur again."""
    first = [value for value, _ in columns]
    return (
        len(set(first)) < len(first)
        or any(map(_is_number, first))
        or any(value in below for value, below in columns)
    )


def _is_much_shorter(sample: Rows) -> bool:
    first, *others = (sum(map(len, row)) for row in sample)
    return bool(others) and 2 * first < sum(others) / len(others)


def find_text(names: Sequence[str], rows: Rows, free: Sequence[int]) -> int | None:
    """Finds the text among the free columns: by its name, or as the one with the longest values.

    These are at least twice as long as those of any other.
    """
    named = _by_name(names, free, TEXT)
    if named is not None or len(free) < 2:
        return named if named is not None else next(iter(free), None)
    lengths = sorted((sum(len(row[position]) for row in rows), position) for position in free)
    (second, _), (longest, position) = lengths[-2:]
    return None if longest < 2 * second else position


def find_label(names: Sequence[str], rows: Rows, free: Sequence[int]) -> int | None:
    """Finds the label among the free columns: by its name, or as the only one of few values."""
    named = _by_name(names, free, LABEL)
    if named is not None:
        return named
    if len(free) > 1:
        free = [position for position in free if _repeats(rows, position)]
    return free[0] if len(free) == 1 else None


def _by_name(names: Sequence[str], free: Sequence[int], usual: Sequence[str]) -> int | None:
    """Returns the column with the most usual name, or the only one with a usual word in it."""
    for name in usual:
        same = [position for position in free if names[position].casefold() == name]
        if len(same) == 1:
            return same[0]
    alike = [position for position in free if _has_usual_word(names[position], usual)]
    return alike[0] if len(alike) == 1 else None


def _words(name: str) -> list[str]:
    return re.findall(r"[^\W_]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).casefold())


def _is_usual(name: str, usual: Sequence[str]) -> bool:
    return name.casefold() in usual or "".join(_words(name)) in usual


def _has_usual_word(name: str, usual: Sequence[str]) -> bool:
    words = _words(name)
    return _is_usual(name, usual) or any(w in usual or w.removesuffix("s") in usual for w in words)


def _repeats(rows: Rows, position: int) -> bool:
    """Returns whether a column has few values, each of them often, and is seldom empty."""
    values = [value for row in rows if (value := row[position].strip())]
    if len(values) < 0.9 * len(rows):
        return False
    return 1 < len(set(values)) <= max(2, len(rows) / OFTEN)


def _is_number(value: str) -> bool:
    return bool(re.fullmatch(r"[+-]?\d+([.,]\d+)?", value))


def _are_numbers(values: Sequence[str]) -> bool:
    given = [value for value in values if value]
    return len(given) > 1 and all(map(_is_number, given))
