"""Measures of a classification, from true and predicted class indices.

Nothing here grows with the square of the classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnnclf.files.result import ClassResult, Metric, Threshold

Indices = npt.NDArray[np.int64]
Shares = npt.NDArray[np.float64]
BINS = 15  # of the calibration error, as in Guo et al. (2017)
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)


@dataclass(frozen=True)
class OfClasses:
    """The measures of each class (classes).

    Attributes:
        precision: Share of the texts predicted as this class that are of it; 0 if there are none.
        recall: Share of the texts of this class that are predicted as such; 0 if there are none.
        f1: Their harmonic mean.
        support: Texts of this class.
        occurs: Whether it occurs as truth or prediction.
    """

    precision: Shares
    recall: Shares
    f1: Shares
    support: Indices
    occurs: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Scores:
    """The scores of predictions.

    Attributes:
        loss: Mean cross-entropy (nats).
        accuracy: Share of correct predictions.
        macro_f1: Mean F1 of the classes that occur as truth or prediction.
        calibration_error: See `calibration_error`.
        classes: The measures of each class.
        thresholds: The accuracy and coverage of answers at the probabilities of `THRESHOLDS`.
    """

    loss: float
    accuracy: float
    macro_f1: float
    calibration_error: float
    classes: OfClasses
    thresholds: list[Threshold]

    def value(self, metric: Metric) -> float:
        """Returns the value of a metric."""
        return self.accuracy if metric == "accuracy" else self.macro_f1


def measure_classes(
    truth: Indices, predicted: Indices, num_classes: int, weights: Indices | None = None
) -> OfClasses:
    """Measures each class: precision TP / (TP + FP), recall TP / (TP + FN), F1 from both.

    With `weights`, each text counts as often as they say.
    """
    weights = np.ones_like(truth) if weights is None else weights
    is_right = truth == predicted
    right, guessed, support = (
        np.bincount(indices, counts, num_classes).astype(np.int64)
        for indices, counts in (
            (truth[is_right], weights[is_right]),
            (predicted, weights),
            (truth, weights),
        )
    )
    involved = guessed + support
    return OfClasses(
        precision=right / np.maximum(1, guessed),
        recall=right / np.maximum(1, support),
        f1=2 * right / np.maximum(1, involved),
        support=support,
        occurs=involved > 0,
    )


def macro_f1(classes: OfClasses) -> float:
    """Averages F1 over the classes that occur as truth or prediction."""
    return float(classes.f1[classes.occurs].mean())


def of_classes(classes: OfClasses, names: Sequence[str]) -> list[ClassResult]:
    """Returns the measures of each class with its name."""
    columns = (classes.precision, classes.recall, classes.f1, classes.support)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [ClassResult(name, *row) for name, row in zip(names, rows, strict=True)]


def calibration_error(probabilities: Shares, is_right: npt.NDArray[np.bool_]) -> float:
    """Returns the expected calibration error: by how much probabilities miss the accuracy.

    The texts are put into `BINS` bins of equal width by the probability of their prediction. The
    error is the mean over all texts of the distance between mean probability and accuracy in their
    bin. Source: Guo et al. (2017), "On Calibration of Modern Neural Networks".
    """
    bins = np.minimum((probabilities * BINS).astype(np.int64), BINS - 1)
    surplus = np.bincount(bins, probabilities - is_right, BINS)
    return float(np.abs(surplus).sum() / len(bins))


def measure_thresholds(probabilities: Shares, is_right: npt.NDArray[np.bool_]) -> list[Threshold]:
    """Measures the accuracy and coverage of the answers with at least each of `THRESHOLDS`."""
    measured = []
    for threshold in THRESHOLDS:
        answered = is_right[probabilities >= threshold]
        accuracy = float(answered.mean()) if len(answered) else None
        measured.append(Threshold(threshold, len(answered) / len(is_right), accuracy))
    return measured
