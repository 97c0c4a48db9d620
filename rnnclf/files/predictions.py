"""`predictions.csv`: a run's answers to its validation texts and, if it was tested, the test's."""

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
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
        sentence: The text.
        label: Its class.
        predicted: The predicted class.
        probability: The probability of the predicted class.
    """

    part: str
    sentence: str
    label: str
    predicted: str
    probability: float


COLUMNS = [field.name for field in fields(Prediction)]


def write_predictions(path: Path, predictions: Iterable[Prediction]) -> None:
    """Writes predictions in the given order."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv_writer(file)
        writer.writerow(COLUMNS)
        for prediction in predictions:
            writer.writerow(astuple(prediction))


def read_predictions(path: Path, part: str) -> list[Prediction]:
    """Reads what `write_predictions` wrote about a part of the data set.

    Raises:
        RecordError: If it is missing or damaged.
    """
    csv.field_size_limit(LONGEST_FIELD)
    try:
        text = read_bounded(path, LARGEST).decode("utf-8")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        if next(reader, None) != COLUMNS:
            raise RecordError(f"{path.name} does not begin with {','.join(COLUMNS)}")
        return [
            Prediction(of, sentence, label, predicted, float(probability))
            for of, sentence, label, predicted, probability in reader
            if of == part
        ]
    except FileNotFoundError as error:
        raise RecordError(f"there is no {path.name}") from error
    except (OSError, ValueError, csv.Error) as error:
        raise RecordError(f"{path.name} is damaged: {one_line(str(error))}") from error
