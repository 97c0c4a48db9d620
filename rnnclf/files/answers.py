"""Files of answers: the rows of a table with the class of each and its probability."""

import csv
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hydra_study_sweeper.files import beside, replacing

from rnnclf.errors import ConfigError

ADDED = ("label", "probability")
SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
ROWS_AT_ONCE = 1024  # of Parquet

Answer = tuple[str | None, float]
"""A class and its probability; None for none of these."""


def check_output(path: Path, source: Path | None = None) -> None:
    """Raises an error if `path` has no known format, is `source`, or cannot be written."""
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{path}: the name of the output must end in {', '.join(SUFFIXES)}")
    if path.suffix.lower() == ".parquet" and find_spec("pyarrow") is None:
        raise ConfigError(f"{path}: Parquet needs pyarrow: pip install 'rnnclf[parquet]'")
    if source and path.exists() and path.samefile(source):
        raise ConfigError(f"{path}: the output would replace the texts; give it another name")
    beside(path).cleanup()  # otherwise a long computation would tell it at its end


def write_answers(
    path: Path,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    answers: Iterable[Answer],
) -> None:
    """Writes rows with their answers as CSV, TSV, JSON lines or Parquet, as `path` ends.

    All columns are kept; JSON lines and Parquet keep numbers as numbers. Two are
    added: `label` (empty or null for none of these) and `probability`; if the table has these
    already, `predicted_label` and `predicted_probability`. The second column with a name is called
    `NAME_2`. The file appears as a whole or not at all.

    Raises:
        ConfigError: If `path` ends in something else.
    """
    check_output(path)
    added = [f"predicted_{name}" if name in columns else name for name in ADDED]
    names = distinct([*columns, *added])
    records = _records(rows, answers)
    with replacing(path) as temporary:
        if path.suffix.lower() == ".parquet":
            _write_parquet(temporary, names, records, rows)
        else:
            _write_lines(temporary, names, records)


def _write_lines(path: Path, names: Sequence[str], records: Iterable[list[Any]]) -> None:
    suffix = path.suffix.lower()
    with path.open("w", encoding="utf-8", newline="") as file:
        if suffix == ".jsonl":
            for record in records:
                values = dict(zip(names, record, strict=True))
                line = json.dumps(values, ensure_ascii=False, default=str)
                file.write(f"{line}\n")
        else:
            writer = csv_writer(file, "\t" if suffix == ".tsv" else ",")
            writer.writerow(names)
            writer.writerows([*map(as_text, record[:-1]), record[-1]] for record in records)


def as_text(value: Any) -> str:
    """Returns a value of JSON or Parquet as it stands in CSV."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def distinct(names: Sequence[str]) -> list[str]:
    """Numbers names that occur again, because an object of JSON keeps one of each."""
    found: dict[str, None] = {}
    for name in names:
        numbered = (f"{name}_{number}" for number in itertools.count(2))
        found[next(one for one in itertools.chain([name], numbered) if one not in found)] = None
    return list(found)


def _write_parquet(
    path: Path, names: Sequence[str], records: Iterator[list[Any]], rows: Sequence[Sequence[Any]]
) -> None:
    import pyarrow
    from pyarrow.parquet import ParquetWriter

    kinds = [_kind([row[position] for row in rows]) for position in range(len(names) - len(ADDED))]
    schema = pyarrow.schema(zip(names, [*kinds, pyarrow.string(), pyarrow.float64()], strict=True))
    with ParquetWriter(path, schema) as writer:
        while batch := list(itertools.islice(records, ROWS_AT_ONCE)):
            columns = zip(*batch, strict=True)
            writer.write_batch(
                pyarrow.record_batch(list(map(_array, columns, schema.types)), schema)
            )


def _kind(values: Sequence[Any]) -> Any:
    """Returns the Parquet type of a column; that of text where its values have several."""
    import pyarrow

    try:
        return pyarrow.infer_type(values)
    except (pyarrow.ArrowException, OverflowError):
        return pyarrow.string()


def _array(values: Sequence[Any], kind: Any) -> Any:
    import pyarrow

    if kind == pyarrow.string():
        values = [None if value is None else as_text(value) for value in values]
    return pyarrow.array(values, kind)


def _records(rows: Iterable[Sequence[Any]], answers: Iterable[Answer]) -> Iterator[list[Any]]:
    for row, (label, probability) in zip(rows, answers, strict=True):
        yield [*row, label, round(probability, 6)]


def csv_writer(file: Any, delimiter: str = ",") -> Any:
    """Returns a writer of CSV that `csv.reader` reads back as it was, on any version of Python.

    Texts are quoted: before 3.11.9 and 3.12.3, Python wrote a lone CR without quotes.
    """
    return csv.writer(file, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
