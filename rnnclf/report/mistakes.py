"""The errors of a model: its confusions, and the wrong answers with the highest probability."""

from collections import Counter
from dataclasses import dataclass

from rnnclf.data.corpus import class_indices
from rnnclf.files.predictions import Prediction
from rnnclf.model.metrics import Indices, confusion_matrix


@dataclass(frozen=True)
class Confusion:
    """Texts of one class that were taken for another; `share` is of all texts of their class."""

    label: str
    predicted: str
    count: int
    share: float


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
    truth, guess = class_indices(labels, classes), class_indices(predicted, classes)
    return classes, confusion_matrix(truth, guess, len(classes))
