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


def check_output(path: Path) -> None:
    """Raises an error unless the name of a file tells a format, and its folder can be written."""
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{path}: the name of the output must end in {', '.join(SUFFIXES)}")
    if path.suffix.lower() == ".parquet" and find_spec("pyarrow") is None:
        raise ConfigError(f"{path}: Parquet needs pyarrow: pip install 'rnnclf[parquet]'")
    beside(path).cleanup()  # otherwise a long computation would tell it at its end


def write_answers(
    path: Path,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    answers: Iterable[Answer],
) -> None:
    """Writes rows with their answers as CSV, TSV, JSON lines or Parquet, as `path` ends.

    All columns are kept. Two are added: `label` (empty or null for none of these) and
    `probability`; if the table has these already, `predicted_label` and `predicted_probability`.
    The second column with a name is called `NAME_2`. The file appears as a whole or not at all.

    Raises:
        ConfigError: If `path` ends in something else.
    """
    check_output(path)
    added = [f"predicted_{name}" if name in columns else name for name in ADDED]
    names = distinct([*columns, *added])
    records = _records(rows, answers)
    write = _write_parquet if path.suffix.lower() == ".parquet" else _write_lines
    with replacing(path) as temporary:
        write(temporary, names, records)


def _write_lines(path: Path, names: Sequence[str], records: Iterable[list[Any]]) -> None:
    suffix = path.suffix.lower()
    with path.open("w", encoding="utf-8", newline="") as file:
        if suffix == ".jsonl":
            for record in records:
                line = json.dumps(dict(zip(names, record, strict=True)), ensure_ascii=False)
                file.write(f"{line}\n")
        else:
            writer = csv_writer(file, "\t" if suffix == ".tsv" else ",")
            writer.writerow(names)
            writer.writerows(records)


def distinct(names: Sequence[str]) -> list[str]:
    """Numbers names that occur again, because an object of JSON keeps one of each."""
    found: dict[str, None] = {}
    for name in names:
        numbered = (f"{name}_{number}" for number in itertools.count(2))
        found[next(one for one in itertools.chain([name], numbered) if one not in found)] = None
    return list(found)


def _write_parquet(path: Path, names: Sequence[str], records: Iterator[list[Any]]) -> None:
    import pyarrow
    from pyarrow.parquet import ParquetWriter

    kinds = [*[pyarrow.string()] * (len(names) - 1), pyarrow.float64()]
    schema = pyarrow.schema(zip(names, kinds, strict=True))
    with ParquetWriter(path, schema) as writer:
        while rows := list(itertools.islice(records, ROWS_AT_ONCE)):
            columns = map(pyarrow.array, zip(*rows, strict=True), kinds)
            writer.write_batch(pyarrow.record_batch(list(columns), schema))


def _records(rows: Iterable[Sequence[str]], answers: Iterable[Answer]) -> Iterator[list[Any]]:
    for row, (label, probability) in zip(rows, answers, strict=True):
        yield [*row, label, round(probability, 6)]


def csv_writer(file: Any, delimiter: str = ",") -> Any:
    """Returns a writer of CSV that `csv.reader` reads back as it was, on any version of Python.

    Texts are quoted: before 3.11.9 and 3.12.3, Python wrote a lone CR without quotes.
    """
    return csv.writer(file, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
