"""What a run's `predictions.csv` shows: confusions, and the mistakes it was most sure of."""

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnnclf.data.csv_files import LONGEST_FIELD
from rnnclf.metrics import Indices, confusion_matrix


@dataclass(frozen=True)
class Prediction:
    """A text with its class and the predicted one.

    Attributes:
        text: The text.
        label: Its class.
        predicted: The class that was predicted.
        probability: That one's probability.
    """

    text: str
    label: str
    predicted: str
    probability: float


@dataclass(frozen=True)
class Confusion:
    """Texts of one class that were taken for another.

    Attributes:
        label: Their class.
        predicted: The class that was predicted.
        count: How many.
        share: Of all texts of their class.
    """

    label: str
    predicted: str
    count: int
    share: float


def read_predictions(path: Path) -> list[Prediction]:
    """Reads the file.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is damaged.
    """
    csv.field_size_limit(LONGEST_FIELD)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [
                Prediction(
                    row["sentence"], row["label"], row["predicted"], float(row["probability"])
                )
                for row in csv.DictReader(file, strict=True)
            ]
    except (csv.Error, KeyError, TypeError) as error:
        raise ValueError(f"{path.name} is damaged: {error}") from error


def mistakes(predictions: list[Prediction], most: int) -> list[Prediction]:
    """Returns the wrong predictions with the highest probability."""
    wrong = [prediction for prediction in predictions if prediction.predicted != prediction.label]
    return sorted(wrong, key=lambda prediction: -prediction.probability)[:most]


def confusions(predictions: list[Prediction], most: int) -> list[Confusion]:
    """Returns the most frequent pairs of a class and another that was predicted."""
    sizes = Counter(prediction.label for prediction in predictions)
    pairs = Counter((prediction.label, prediction.predicted) for prediction in predictions)
    wrong = [
        Confusion(label, predicted, count, count / sizes[label])
        for (label, predicted), count in pairs.items()
        if label != predicted
    ]
    return sorted(wrong, key=lambda confusion: (-confusion.count, -confusion.share))[:most]


def confusion_counts(predictions: list[Prediction]) -> tuple[list[str], Indices]:
    """Returns the classes that occur, sorted, and the counts by true and predicted class."""
    labels = [prediction.label for prediction in predictions]
    predicted = [prediction.predicted for prediction in predictions]
    classes = sorted({*labels, *predicted})
    index = {name: number for number, name in enumerate(classes)}
    truth = np.array([index[name] for name in labels], dtype=np.int64)
    guess = np.array([index[name] for name in predicted], dtype=np.int64)
    return classes, confusion_matrix(truth, guess, len(classes))
