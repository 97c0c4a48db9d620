"""Measures of a classification, from true and predicted class indices."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Scores:
    """The scores of predictions.

    Attributes:
        loss: Mean cross-entropy (nats).
        accuracy: Share of correct predictions.
        macro_f1: Mean over the classes of the harmonic mean of precision and recall.
    """

    loss: float
    accuracy: float
    macro_f1: float


def confusion_matrix(truth: Indices, predicted: Indices, num_classes: int) -> Indices:
    """Counts texts by true class (rows) and predicted class (columns)."""
    cells = truth * num_classes + predicted
    return np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)


def accuracy(confusion: Indices) -> float:
    """Returns the share of texts on the diagonal."""
    return float(np.trace(confusion) / confusion.sum())


def macro_f1(confusion: Indices) -> float:
    """Averages F1 = 2 TP / (2 TP + FP + FN) over the classes that occur as truth or prediction."""
    right = np.diag(confusion)
    involved = confusion.sum(0) + confusion.sum(1)
    occurs = involved > 0
    return float(np.mean(2 * right[occurs] / involved[occurs]))
