"""Whether chance alone explains that one run is better than another.

Answers to the same texts are compared by McNemar's exact test (1947), which Dietterich (1998)
advises for classifiers; the accuracies of two refits by Fisher's permutation test (1935).
"""

from collections.abc import Sequence
from math import comb
from pathlib import Path
from typing import Any

from hydra_study_sweeper.files import RecordError

from rnnclf.files.paths import RunPaths
from rnnclf.files.predictions import read_predictions
from rnnclf.files.result import Metric
from rnnclf.runs.results import Run

LEVEL = 0.05  # from which on a difference is taken for chance


def p_of_validation(first: Run, second: Run, metric: Metric = "accuracy") -> float | None:
    """Returns the p-value of McNemar's test on the validation texts.

    Returns:
        None if the runs have no predictions for the same texts, or one is the mean of several, or
        if the metric is another than the accuracy, of which alone the test tells.
    """
    if (
        metric != "accuracy"
        or None in (first.val_accuracy, second.val_accuracy)
        or first.parts
        or second.parts
    ):
        return None
    return _p_of_texts(first.folder, second.folder, "validation")


def p_of_test(first: Run, second: Run, metric: Metric = "accuracy") -> float | None:
    """Returns the p-value of a difference between two refits.

    Returns:
        The larger p-value of McNemar's test on the test texts, with the final models, and of the
        permutation test over the seeds; None unless both runs were trained again with two seeds or
        more. Of macro-F1 it is the permutation test alone.
    """
    if first.refit is None or second.refit is None:
        return None
    seeds = first.refit.final.values, second.refit.final.values
    if min(map(len, seeds)) < 2:
        return None
    of_texts: float | None = 0
    if metric == "accuracy":
        of_texts = _p_of_texts(first.model_folder, second.model_folder, "test")
    if of_texts is None:
        return None
    return max(of_texts, permutation_test(*seeds))


def _p_of_texts(first: Path, second: Path, part: str) -> float | None:
    try:
        answers = [
            read_predictions(RunPaths(folder).predictions, part) for folder in (first, second)
        ]
    except RecordError:
        return None
    pairs = list(zip(*answers, strict=False))
    if (
        not pairs
        or len({len(of_run) for of_run in answers}) > 1
        or any(a.sentence != b.sentence for a, b in pairs)
    ):
        return None
    right = [(one.label == one.predicted, other.label == other.predicted) for one, other in pairs]
    return mcnemar_test(right.count((True, False)), right.count((False, True)))


def mcnemar_test(only_first: int, only_second: int) -> float:
    """Returns the two-sided p-value of the exact test.

    Args:
        only_first: Texts that only the first classifier had right.
        only_second: Texts that only the second one had right.
    """
    n = only_first + only_second
    tail = sum(comb(n, k) for k in range(min(only_first, only_second) + 1))
    return float(min(1, 2 * tail / 2**n))


def permutation_test(first: Sequence[float], second: Sequence[float]) -> float:
    """Returns the p-value of the distance between two means.

    It is exact for up to 9999 ways to deal out the values. With five seeds each there are 252, so
    that no p-value is below 2/252.
    """
    import numpy as np
    from scipy import stats  # here: it takes half a second to import

    def distance(one: Any, other: Any, axis: int) -> Any:
        return np.abs(one.mean(axis) - other.mean(axis))

    test = stats.permutation_test((first, second), distance, alternative="greater", rng=0)
    return float(test.pvalue)
