"""The errors of a model: its confusions, and the wrong answers with the highest probability."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from rnnclf.files.predictions import Prediction
from rnnclf.model.metrics import Indices


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


def confusion_counts(predictions: list[Prediction], most: int) -> tuple[list[str], Indices]:
    """Returns classes, sorted, and their counts by true (rows) and predicted class (columns).

    They are those that occur; of more than `most`, those with the most wrong answers, to them or
    for them, because a matrix grows with the square of the classes.
    """
    wrong: Counter[str] = Counter()
    for one in predictions:
        wrong.update({one.label: 0, one.predicted: 0})
        if one.label != one.predicted:
            wrong.update([one.label, one.predicted])
    index = {name: i for i, name in enumerate(sorted(name for name, _ in wrong.most_common(most)))}
    counts = np.zeros((len(index), len(index)), dtype=np.int64)
    for one in predictions:
        if one.label in index and one.predicted in index:
            counts[index[one.label], index[one.predicted]] += 1
    return list(index), counts
