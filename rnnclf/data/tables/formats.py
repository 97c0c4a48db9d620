"""The rows of a file: CSV and its kin, JSON, Parquet, fastText, or lines."""

import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import msgspec

from rnnclf.data.tables.delimited import DELIMITERS, Broken, Dialect, Row, find_dialect, records
from rnnclf.data.tables.streams import LARGEST, bounded_lines, decoded, too_large
from rnnclf.errors import DataError, SettingError
from rnnclf.files.answers import as_text

SAMPLE = 1000  # lines by which a format is recognised
FASTTEXT = "__label__"
PARQUET = b"PAR1"
BEGINS = re.compile(r'\[?\{\s*(["}]|$)|' + FASTTEXT)  # what JSON and fastText begin with
ONE_COLUMN = "CSV with one column"


@dataclass(frozen=True)
class Rows:
    """The rows of a file.

    Attributes:
        kind: The format, for people.
        header: Whether the first row has the names of the columns; None if that is open.
        rows: All rows with the line or the number at which they begin.
        unit: `line`, or `row` of Parquet and of a list in JSON.
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

    Without labels, a `.txt` file has a text on each line, unless it has tabs or begins as JSON or
    fastText does.

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
        if labelled and sample and not first:
            blank = "all" if len(sample) < SAMPLE else f"the first {SAMPLE}"
            raise DataError(f"{path}: no rows in it; {blank} lines are blank")
        yield _of_lines(Text(path, first, sample, chain(sample, lines)), labelled=labelled)


@dataclass(frozen=True)
class Text:
    """The lines of a file, and those by which its format is recognised.

    Attributes:
        path: The file.
        first: The first line that is not blank, without the blanks around it.
        sample: The first lines.
        lines: All lines.
    """

    path: Path
    first: str
    sample: Sequence[str]
    lines: Iterator[str]

    @property
    def suffix(self) -> str:
        """The end of the file's name, such as `.csv` of `a.csv.gz`."""
        suffixes = [suffix.lower() for suffix in self.path.suffixes]
        return next((suffix for suffix in reversed(suffixes) if suffix != ".gz"), "")


def _of_lines(text: Text, *, labelled: bool) -> Rows:
    if not labelled and text.suffix == ".txt" and not BEGINS.match(text.first):
        return _of_plain(text, "\t")
    is_json = text.suffix in (".jsonl", ".ndjson", ".json")
    if text.first.startswith("[{") or (is_json and text.first.startswith("[")):
        return Rows("JSON", True, _json_list(text), "row")
    if text.first.startswith("{") or is_json:
        return Rows("JSON lines", True, _json_lines(text))
    if text.first.startswith(FASTTEXT):
        return Rows("fastText", True, _fasttext(text.lines))
    if text.suffix == ".txt":
        return _of_plain(text, DELIMITERS)
    text = _without_excels_line(text)
    dialect = find_dialect(text.sample, "\t,;|" if text.suffix == ".tsv" else DELIMITERS)
    return _delimited(text, dialect) if dialect else Rows(ONE_COLUMN, None, _one_column(text.lines))


def _of_plain(text: Text, delimiters: Iterable[str]) -> Rows:
    """Reads a table if one of the delimiters makes it one; otherwise each line is a text."""
    if dialect := find_dialect(text.sample, delimiters):
        return _delimited(text, dialect)
    return Rows("lines", True, chain([(0, ["text"])], _plain(text.lines)))


def _delimited(text: Text, dialect: Dialect) -> Rows:
    return Rows(str(dialect), None, records(text.lines, dialect), delimiter=dialect.delimiter)


def _without_excels_line(text: Text) -> Text:
    """Makes a blank line of `sep=;`, by which Excel tells the delimiter."""
    if not text.sample or not re.fullmatch(r"sep=.?\s*", text.sample[0]):
        return text
    lines = chain(["\n"], islice(text.lines, 1, None))
    return replace(text, sample=["\n", *text.sample[1:]], lines=lines)


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


def _json_lines(text: Text) -> Iterator[Row]:
    """Reads an object a line; those of the sample have the names of all columns."""
    names = _names(_object(line) or {} for line in text.sample)
    if names:
        yield 0, names
    for number, line in enumerate(text.lines, start=1):
        values = _object(line)
        if values is not None:
            yield number, [values.get(name) for name in names]
        elif line.strip():
            yield number, Broken("not a JSON object", line.strip())


def _object(line: str) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None


def _json_list(text: Text) -> Iterator[Row]:
    """Reads one list of objects, as `json.dump` writes it."""
    try:
        objects = msgspec.json.decode("".join(text.lines), type=list[dict[str, Any]])
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise DataError(f"{text.path}: not a list of JSON objects: {error}") from error
    names = _names(objects)
    if names:
        yield 0, names
    for number, values in enumerate(objects, start=1):
        yield number, [values.get(name) for name in names]


def _names(objects: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for one in objects for name in one))


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
                # One byte may stand for many texts.
                left -= sum(len(as_text(value)) + 1 for value in values)
                if left < 0:
                    raise too_large(path, LARGEST, " when it is unpacked")
                number += 1
                yield number, list(values)
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
        raise DataError(f"{path}: a damaged Parquet file ({error})") from error
