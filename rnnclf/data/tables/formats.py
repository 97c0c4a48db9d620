"""The rows of a file: CSV and its kin, JSON lines, Parquet, fastText, or lines."""

import io
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import msgspec

from rnnclf.data.tables.delimited import DELIMITERS, Broken, Dialect, Row, find_dialect, records
from rnnclf.data.tables.streams import LARGEST, bounded_lines, decoded
from rnnclf.errors import DataError, SettingError

SAMPLE = 1000  # lines by which a format is recognised
FASTTEXT = "__label__"
PARQUET = b"PAR1"


@dataclass(frozen=True)
class Rows:
    """The rows of a file.

    Attributes:
        kind: The format, for people.
        header: Whether the first row has the names of the columns; None if that is open.
        rows: All rows with the line or the number at which they begin.
        unit: `line` or `row`.
        delimiter: What separates the fields when a row is shown.
    """

    kind: str
    header: bool | None
    rows: Iterator[Row]
    unit: str = "line"
    delimiter: str = ","


@contextmanager
def read_rows(
    file: io.BufferedReader, path: Path, encoding: str | None, *, labelled: bool
) -> Iterator[Rows]:
    """Finds the format of an open file.

    Without labels, a `.txt` file without tabs has a text on each line, whatever its signs.

    Yields:
        Its rows, which can be read inside the block.

    Raises:
        DataError: If the file is of a format that is not read, or damaged, also in the block.
    """
    if file.peek(4)[:4] == PARQUET:
        yield Rows("Parquet", True, _parquet(file, path), "row")
        return
    with decoded(file, path, encoding) as text:
        lines = bounded_lines(text, path)
        sample = list(islice(lines, SAMPLE))
        first = next((line.strip() for line in sample if line.strip()), "")
        if "\0" in first:
            before = f"{path}: line 1: a NUL character; if the file is UTF-16, set "
            raise SettingError(before, "encoding", "=utf-16-le")
        yield _of_text(first, sample, chain(sample, lines), path, labelled=labelled)


def _of_text(
    first: str, sample: Sequence[str], lines: Iterator[str], path: Path, *, labelled: bool
) -> Rows:
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    suffix = suffixes[-1] if suffixes else ""
    if suffix in (".jsonl", ".ndjson", ".json") or first.startswith("{"):
        return Rows("JSON lines", True, _json(sample, lines, path))
    if first.startswith(FASTTEXT):
        return Rows("fastText", True, _fasttext(lines))
    if suffix != ".txt" and sample and re.fullmatch(r"sep=.?\s*", sample[0]):
        sample, lines = ["\n", *sample[1:]], chain(["\n"], islice(lines, 1, None))  # Excel's line
    order = sorted(DELIMITERS, key=lambda one: one != "\t") if suffix == ".tsv" else DELIMITERS
    dialect = find_dialect(sample, ["\t"] if suffix == ".txt" and not labelled else order)
    if dialect is None and suffix == ".txt":
        return Rows("lines", True, chain([(0, ["text"])], _plain(lines)))
    if dialect is None:
        return Rows("CSV with one column", None, _one_column(lines))
    return Rows(str(dialect), None, records(lines, dialect), delimiter=dialect.delimiter)


def _one_column(lines: Iterator[str]) -> Iterator[Row]:
    """Reads a column of texts; an empty line, which other tables do without, is an empty text."""
    blank = '""\n'
    yield from records((line if line.strip("\r\n") else blank for line in lines), Dialect(","))


def _plain(lines: Iterator[str]) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        yield number, [line.rstrip("\r\n")]


def _fasttext(lines: Iterator[str]) -> Iterator[Row]:
    """Reads lines such as `__label__spam Win a prize`."""
    yield 0, ["text", "label"]
    for number, line in enumerate(lines, start=1):
        label, _, text = line.strip().partition(" ")
        if not line.strip():
            continue
        if not label.startswith(FASTTEXT):
            yield number, Broken(f"no {FASTTEXT} at the start", line.strip())
        elif text.lstrip().startswith(FASTTEXT):
            yield number, Broken("more than one label", line.strip())
        else:
            yield number, [text, label.removeprefix(FASTTEXT)]


def _json(sample: Sequence[str], lines: Iterator[str], path: Path) -> Iterator[Row]:
    """Reads an object a line; those of the sample have the names of all columns."""
    names = list(dict.fromkeys(name for line in sample for name in _object(line) or ()))
    if names:
        yield 0, names
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if number == 1 and line.lstrip().startswith("["):
            raise DataError(f"{path}: line 1: a list; write each object on a line of its own")
        values = _object(line)
        if values is None:
            yield number, Broken("not a JSON object", line.strip())
        else:
            yield number, [_as_text(values.get(name)) for name in names]


def _object(line: str) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None


def _parquet(file: io.BufferedReader, path: Path) -> Iterator[Row]:
    try:
        import pyarrow
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise DataError(
            f"{path}: reading Parquet needs pyarrow: pip install 'rnnclf[parquet]'"
        ) from error
    left, number = LARGEST, 0
    try:
        table = ParquetFile(pyarrow.BufferReader(file.read()))
        yield 0, list(table.schema_arrow.names)
        for batch in table.iter_batches(batch_size=1024):
            for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                row = [_as_text(value) for value in values]
                left -= sum(map(len, row)) + len(row)  # one byte may stand for many texts
                if left < 0:
                    raise DataError(
                        f"{path}: larger than {LARGEST} bytes when it is unpacked; "
                        "take a sample of its rows"
                    )
                number += 1
                yield number, row
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
        raise DataError(f"{path}: a damaged Parquet file ({error})") from error


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
