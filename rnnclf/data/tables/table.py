"""Labelled texts from a file of any format: which columns, which rows, and which cannot be used."""

import json
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

from rnnclf.data.tables.columns import Chosen, Column, choose
from rnnclf.data.tables.delimited import Broken, Row
from rnnclf.data.tables.formats import SAMPLE, Rows, read_rows
from rnnclf.data.tables.streams import open_data
from rnnclf.errors import DataError
from rnnclf.files.answers import as_text, distinct
from rnnclf.files.predictions import COLUMNS
from rnnclf.files.words import first_of

MOST_COLUMNS = 10_000
MOST_ROWS = 10_000_000  # of which a file of a few megabytes may unpack to many more
FEW = 5  # bad rows that are named
SHARE = 0.01  # of bad rows, from which on a file is refused

BadRow = tuple[int, Broken]
"""The line or the number at which a row begins that cannot be used."""


@dataclass(frozen=True)
class Reading:
    """How a file is read.

    Attributes:
        text: The text columns, by name or by number from 1; several are joined by a blank. Empty:
            the column is found.
        label: The label column. None: it is found.
        encoding: None: by the file's byte order mark, or UTF-8.
        labelled: Whether each row needs a label. Without, a row needs no text either.
        keep: Whether all fields of the rows are kept.
        origins: Whether the lines and the other columns are kept; see `Texts.rows`.
        may_be_link: Whether the file may be a link or a pipe; see `open_data`.
    """

    text: Sequence[Column] = ()
    label: Column | None = None
    encoding: str | None = None
    labelled: bool = True
    keep: bool = False
    origins: bool = False
    may_be_link: bool = True


@dataclass(frozen=True)
class Table:
    """The rows of a file that can be used, and what is to be said about the others.

    Attributes:
        path: The file.
        kind: Its format, for people.
        unit: What `lines` count; see `Rows`.
        columns: The columns that were chosen, and the names of all.
        texts: The texts, as they are in the file.
        labels: Their labels, without blanks around them; empty if none is needed.
        lines: Where each begins.
        rows: All fields of each as they are in the file, if they are kept.
        origins: The line of each with its other columns, if they are kept, as JSON.
        bad: The rows that cannot be used.
    """

    path: Path
    kind: str
    unit: str
    columns: Chosen
    texts: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    lines: "array[int]" = field(default_factory=lambda: array("q"))
    rows: list[list[Any]] = field(default_factory=list)
    origins: list[str] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)

    def check(
        self,
        bad: Sequence[BadRow],
        *,
        skip: bool,
        remedy: str = "Mend them, or set dataset.bad_rows=skip",
    ) -> str | None:
        """Tells which rows are skipped, or refuses a file with too many.

        Args:
            bad: Rows that cannot be used.
            skip: Whether any number is skipped.
            remedy: What the user can do.

        Returns:
            One line that counts the rows and names the first; None if there are none.

        Raises:
            DataError: If there are as many as `SHARE` of all, unless `skip`.
        """
        if not bad:
            return None
        total = len(self.texts) + len(self.bad)
        named = self.named(bad)
        if skip or len(bad) < SHARE * total:
            return f"{self.path}: skipped {len(bad)} of {total} rows: {named}"
        count = f"{len(bad)} of {total} rows cannot be used"
        raise DataError(f"{self.path}: {count}: {named}. {remedy}")

    def named(self, bad: Sequence[BadRow]) -> str:
        """Names the first of some rows that cannot be used."""
        first = [f"{self.unit} {line}: {row}" for line, row in bad[: FEW + 1]]
        return first_of(first, FEW, between="; ")


def read_table(path: Path, reading: Reading) -> Table:
    """Reads a file: CSV, TSV, `;`, JSON, Parquet, fastText, or lines; gzipped or not.

    Rows that cannot be used are left out and listed; `Table.check` refuses too many.

    Raises:
        DataError: If the file cannot be read or decoded, has no rows, or if it is open which of its
            columns have texts and labels.
    """
    with (
        open_data(path, may_be_link=reading.may_be_link) as file,
        read_rows(file, path, reading.encoding, labelled=reading.labelled) as rows,
    ):
        return _collect(rows, path, reading)


def _collect(rows: Rows, path: Path, reading: Reading) -> Table:
    sample = list(islice(rows.rows, SAMPLE))
    whole = [row for _, row in sample if not isinstance(row, Broken)]
    if not whole:
        first = f"line {sample[0][0]}: {sample[0][1]}" if sample else "no rows in it"
        raise DataError(f"{path}: {first}")
    if len(whole[0]) > MOST_COLUMNS:
        raise DataError(f"{path}: {len(whole[0])} columns; at most {MOST_COLUMNS} are read")
    columns = choose(
        [[as_text(value) for value in row] for row in whole],
        header=rows.header,
        text=reading.text,
        label=reading.label,
        labelled=reading.labelled,
        where=str(path),
    )
    table = Table(path, rows.kind, rows.unit, columns)
    if columns.header:
        sample = [(line, row) for line, row in sample if row is not whole[0]]
    _fill(table, chain(sample, rows.rows), reading, rows.delimiter)
    if not table.texts and not table.bad:
        raise DataError(f"{path}: no rows after the header")
    return table


def _fill(table: Table, rows: Iterator[Row], reading: Reading, delimiter: str) -> None:
    """Puts the rows that can be used into a table, and the others among its bad ones."""
    width, columns = len(table.columns.names), table.columns
    label_of = columns.label if reading.labelled else None
    known: dict[str, str] = {}  # one string for each label, however many rows
    others = _other_columns(columns)
    for number, (line, row) in enumerate(rows):
        if number == MOST_ROWS:
            raise DataError(f"{table.path}: more than {MOST_ROWS} rows; take a sample of them")
        if isinstance(row, Broken):
            table.bad.append((line, row))
            continue
        if len(row) > width and not any(row[width:]):
            del row[width:]  # as spreadsheets write them
        reason = _unusable(row, width, columns, label_of, reading)
        if reason:
            table.bad.append((line, Broken(reason, delimiter.join(map(as_text, row)))))
            continue
        text = " ".join(as_text(row[position]) for position in columns.text)
        table.texts.append(text)
        table.lines.append(line)
        if label_of is not None:
            label = as_text(row[label_of]).strip()
            table.labels.append(known.setdefault(label, label))
        if reading.keep:
            table.rows.append(row)
        if reading.origins:
            values = {name: as_text(row[position]) for name, position in others.items()}
            table.origins.append(json.dumps({"line": line} | values))


def _other_columns(columns: Chosen) -> dict[str, int]:
    """Returns the positions of the columns that are neither text nor label, by distinct names."""
    used = {*columns.text, columns.label}
    others = [position for position in range(len(columns.names)) if position not in used]
    names = distinct([*COLUMNS, *(columns.names[position] for position in others)])
    return dict(zip(names[len(COLUMNS) :], others, strict=True))


def _unusable(
    row: list[Any], width: int, columns: Chosen, label: int | None, reading: Reading
) -> str | None:
    """Returns why a row cannot be used; None if it can."""
    if len(row) != width:
        fields = "1 field" if len(row) == 1 else f"{len(row)} fields"
        sign = "separator" if len(row) > width else "line end"
        return f"{fields} instead of {width}; a text with a {sign} needs quotes"
    values = [as_text(row[position]) for position in columns.text]
    if any("\0" in value for value in values):
        return "a NUL character"
    if reading.labelled and not any(map(str.strip, values)):
        return f"no text in {columns.named(columns.text)}"
    if label is not None:
        name = as_text(row[label]).strip()
        if not name:
            return f"no label in {columns.named([label])}"
        if "\n" in name or "\r" in name:
            return "a line end in the label"
    return None
