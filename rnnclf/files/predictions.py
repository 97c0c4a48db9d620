"""`predictions.csv`: a run's answers to its validation texts and, if it was tested, the test's."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path

from hydra_study_sweeper.files import RecordError, read_bounded, replacing
from hydra_study_sweeper.printable import one_line

from rnnclf.files.answers import csv_writer

LONGEST_FIELD = 2**31 - 1
LARGEST = 2**28  # bytes


@dataclass(frozen=True)
class Prediction:
    """The answer of a run to a text.

    Attributes:
        part: The part of the data set: `validation` or `test`.
        line: The line of a file of your own (of Parquet or a JSON list: the row) on which the
            text begins; empty in the published data sets.
        sentence: The text.
        label: Its class.
        predicted: The predicted class.
        probability: The probability of the predicted class.
        others: The other columns of your own file, each a column here.
    """

    part: str
    line: int | None
    sentence: str
    label: str
    predicted: str
    probability: float
    others: dict[str, str] = field(default_factory=dict)


COLUMNS = [column.name for column in fields(Prediction)][:-1]


def write_predictions(
    path: Path, predictions: Iterable[Prediction], others: Iterable[str] = ()
) -> None:
    """Writes predictions in the given order, with these of their other columns."""
    columns = list(others)
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv_writer(file)
        writer.writerow([*COLUMNS, *columns])
        for one in predictions:
            values = [getattr(one, name) for name in COLUMNS]
            writer.writerow(values + [one.others.get(name, "") for name in columns])


def read_predictions(path: Path, part: str) -> list[Prediction]:
    """Reads what `write_predictions` wrote about a part of the data set.

    Raises:
        RecordError: If it is missing or damaged.
    """
    csv.field_size_limit(LONGEST_FIELD)
    try:
        text = read_bounded(path, LARGEST).decode("utf-8")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        names = next(reader, [])
        if names[: len(COLUMNS)] != COLUMNS:
            raise RecordError(f"{path.name} does not begin with {','.join(COLUMNS)}")
        if len(set(names)) < len(names):
            raise RecordError(f"{path.name} has two columns of the same name")
        rows = (dict(zip(names, row, strict=True)) for row in reader)
        return [_prediction(row) for row in rows if row["part"] == part]
    except FileNotFoundError as error:
        raise RecordError(f"there is no {path.name}") from error
    except (OSError, ValueError, csv.Error) as error:
        raise RecordError(f"{path.name} is damaged: {one_line(str(error))}") from error


def _prediction(row: dict[str, str]) -> Prediction:
    part, line, sentence, label, predicted, probability = (row.pop(name) for name in COLUMNS)
    number = int(line) if line else None
    return Prediction(part, number, sentence, label, predicted, float(probability), row)
