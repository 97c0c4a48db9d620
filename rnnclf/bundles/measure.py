"""A model measured on newly labelled texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np

from rnnclf.bundles.card import accuracy_interval
from rnnclf.data.corpus import class_indices
from rnnclf.files.result import ClassResult
from rnnclf.model.classifier import Classifier
from rnnclf.model.metrics import (
    Indices,
    Shares,
    calibration_error,
    macro_f1,
    measure_classes,
    of_classes,
)

DRAWS = 1000  # of the bootstrap


@dataclass(frozen=True)
class Measured:
    """What a model achieves on texts.

    Attributes:
        accuracy: Its accuracy, with Wilson's 95 % interval.
        macro_f1: Its macro-F1, with the 95 % interval of the bootstrap.
        calibration_error: The expected calibration error.
        classes: The measures of each class that occurs.
        unknown: Labels that the model does not have; their texts are mistakes.
        answers: The predicted class of each text, and its probability.
    """

    accuracy: tuple[float, float, float]
    macro_f1: tuple[float, float, float]
    calibration_error: float
    classes: list[ClassResult]
    unknown: list[str]
    answers: list[tuple[str, float]]


def measure(classifier: Classifier, texts: Sequence[str], labels: Sequence[str]) -> Measured:
    """Measures a model on labelled texts, of which there is at least one."""
    unknown = sorted(set(labels) - set(classifier.classes))
    names = [*classifier.classes, *unknown]
    probabilities = classifier.predict_proba(texts)
    predicted, highest = probabilities.argmax(1), probabilities.max(1).astype(np.float64)
    truth = class_indices(labels, names)
    is_right = truth == predicted
    classes = measure_classes(truth, predicted, len(names))
    accuracy = float(is_right.mean())
    return Measured(
        (accuracy, *accuracy_interval(accuracy, len(texts))),
        (macro_f1(classes), *macro_f1_interval(truth, predicted, len(names))),
        calibration_error(highest, is_right),
        list(compress(of_classes(classes, names), classes.occurs)),
        unknown,
        [(names[index], float(share)) for index, share in zip(predicted, highest, strict=True)],
    )


def macro_f1_interval(truth: Indices, predicted: Indices, num_classes: int) -> tuple[float, float]:
    """Returns the 95 % percentile interval of the bootstrap (Efron 1979).

    To draw texts is to draw how often each pair of classes occurs.
    """
    pairs, counts = np.unique(truth * num_classes + predicted, return_counts=True)
    truth, predicted = pairs // num_classes, pairs % num_classes
    generator = np.random.default_rng(0)
    values: Shares = np.empty(DRAWS)
    for draw in range(DRAWS):
        weights = generator.multinomial(counts.sum(), counts / counts.sum())
        values[draw] = macro_f1(measure_classes(truth, predicted, num_classes, weights))
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)
