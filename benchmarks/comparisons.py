"""What repeated searches tell: means, ranks, how soon, how surely, and what is no chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata, wilcoxon
from simulator import Array

NEAR = 0.005  # half a point
ROUNDING = 1e-9  # of the quality of trial 0, computed beside that of other points
RESAMPLES = 1000


@dataclass(frozen=True)
class Replays:
    """All searches against recorded curves.

    Attributes:
        name: Of the curves.
        arms: The names of the searches.
        quality: Of the winner so far, by the number of workers (arms, repetitions, steps of the
            time).
        best: What could be found.
        default: The quality of trial 0.
        configurations: How many are recorded.
        on_cpu: The highest test accuracies of the trainings on a CPU.
        on_gpu: Likewise, on a GPU.
        errors: For each smoother the error of its accuracies and of its logarithms of seconds.
        checks: For some arms the best value, the trials and the pruned ones of searches by one
            worker (repetitions, 3).
    """

    name: str
    arms: Sequence[str]
    quality: Mapping[int, Array]
    best: float
    default: float
    configurations: int
    on_cpu: Sequence[float]
    on_gpu: Sequence[float]
    errors: Mapping[str, tuple[float, float]]
    checks: Mapping[str, Array]

    def of(self, arm: str, workers: int) -> Array:
        """Returns the quality of an arm's winners (repetitions, steps)."""
        return self.quality[workers][self.arms.index(arm)]

    def mean(self, arm: str, share: float, workers: int) -> float:
        """Returns the mean quality of an arm's winners after a share of the time."""
        winners = self.of(arm, workers)
        return float(winners[:, round(share * winners.shape[1]) - 1].mean())

    def ranks(self, workers: int) -> dict[str, float]:
        """Returns the mean rank of each arm when the time is over; 1 is the best."""
        last = self.quality[workers][:, :, -1]
        return dict(zip(self.arms, rankdata(-last, axis=0).mean(1), strict=True))

    def reached(self, arm: str, workers: int) -> tuple[float, float]:
        """Returns how many searches come near the best, and the median share of the time for it.

        A search that does not has all of the time and more: its share is infinite.
        """
        near = self.of(arm, workers) >= self.best - NEAR
        steps = near.shape[1]
        shares = np.where(near.any(1), (near.argmax(1) + 1) / steps, np.inf)
        return float(near.any(1).mean()), float(np.median(shares))

    def worse_than_default(self, arm: str, workers: int) -> float:
        """Returns the share of searches whose winner is worse than trial 0."""
        return float((self.of(arm, workers)[:, -1] < self.default - ROUNDING).mean())


def interval(values: Array) -> tuple[Array, Array]:
    """Returns the 95 % bootstrap interval of the mean over repetitions (repetitions, ...)."""
    random = np.random.default_rng(0)
    drawn = random.integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.percentile(values[drawn].mean(1), [2.5, 97.5], axis=0)
    return low, high


def p_values(replays: Sequence[Replays], arm: str, workers: int) -> dict[tuple[str, str], float]:
    """Compares an arm with all others on all curves, by Wilcoxon's signed-rank test.

    Returns:
        By curves and other arm, the p-value with Holm's correction for all of them.
    """
    raw = {}
    for one in replays:
        ours = one.of(arm, workers)[:, -1]
        for other in one.arms:
            if other != arm:
                differences = ours - one.of(other, workers)[:, -1]
                differs = bool(np.any(differences))
                raw[one.name, other] = float(wilcoxon(differences).pvalue) if differs else 1.0
    return holm(raw)


def holm(raw: Mapping[Any, float]) -> dict[Any, float]:
    """Corrects p-values for their number by Holm's step-down method."""
    corrected, largest = {}, 0.0
    for smaller, key in enumerate(sorted(raw, key=lambda key: raw[key])):
        largest = max(largest, min(1.0, raw[key] * (len(raw) - smaller)))
        corrected[key] = largest
    return corrected
