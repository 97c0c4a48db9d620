"""Whether one run is better than another, or whether chance would do.

The same texts are compared in pairs (McNemar 1947, the exact form, which Dietterich 1998 advises
for classifiers); the seeds of two refits by a permutation test (Fisher 1935) of their accuracies.
"""

from collections.abc import Sequence
from itertools import combinations
from math import comb, fsum
from pathlib import Path

from hydra_study_sweeper.files import RecordError

from rnnclf.files.paths import RunPaths
from rnnclf.files.predictions import read_predictions
from rnnclf.runs.results import Run

LEVEL = 0.05  # of the differences that are not taken for chance

Answers = list[tuple[str, bool]]


def p_of_validation(first: Run, second: Run) -> float | None:
    """Returns how probable a difference as large as on the validation texts is by chance.

    Returns:
        The p-value of McNemar's test; None if the runs have no predictions for the same texts, or
        one of them is the mean of several.
    """
    if first.val_accuracy is None or second.val_accuracy is None:
        return None
    if first.is_mean or second.is_mean:
        return None
    return _p_of_texts(first.folder, second.folder)


def p_of_test(first: Run, second: Run) -> float | None:
    """Returns how probable a difference as large as of two refits is by chance.

    Returns:
        The larger p-value of McNemar's test on the test texts, with the models for use, and of the
        permutation test over the seeds; None if not both runs were trained again.
    """
    if first.refit is None or second.refit is None:
        return None
    of_texts = _p_of_texts(first.model_folder, second.model_folder)
    if of_texts is None:
        return None
    by_seed = permutation_test(first.refit.final.values, second.refit.final.values)
    return max(of_texts, by_seed)


def _p_of_texts(first: Path, second: Path) -> float | None:
    answers = _answers(first), _answers(second)
    if not all(answers) or [text for text, _ in answers[0]] != [text for text, _ in answers[1]]:
        return None
    pairs = [(one, other) for (_, one), (_, other) in zip(*answers, strict=True)]
    return mcnemar_test(pairs.count((True, False)), pairs.count((False, True)))


def _answers(folder: Path) -> Answers:
    """Returns each text with whether the prediction was right; nothing if they cannot be read."""
    try:
        predictions = read_predictions(RunPaths(folder).predictions)
    except RecordError:
        return []
    return [(one.sentence, one.label == one.predicted) for one in predictions]


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
    """Returns the share of all ways to deal the values out that part the means as far or farther.

    Of n and m values, there are (n + m)! / (n! m!) ways: with five seeds each 252, so that no
    smaller p than 2/252 is possible.
    """
    values = [*first, *second]
    total = fsum(values)

    def difference(chosen: Sequence[int]) -> float:
        part = fsum(values[i] for i in chosen)
        return abs(part / len(first) - (total - part) / len(second))

    observed = difference(range(len(first)))
    ways = [difference(chosen) for chosen in combinations(range(len(values)), len(first))]
    return sum(way >= observed - 1e-12 for way in ways) / len(ways)
