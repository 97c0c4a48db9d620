"""Means over seeds, and how sure they are."""

import math
import statistics
from collections.abc import Sequence

from hydra_study_sweeper.records import SeedValues

CONFIDENCE = 0.95


def seed_values(values: Sequence[float | None]) -> SeedValues:
    """Describes values over seeds by mean, standard deviation and 95 % interval of the mean.

    The interval is Student's t over the seeds: it tells how the mean varies with the seeds, not
    with the data. One value has no deviation. Two values get no interval, since it would be twelve
    times as wide as their distance.
    """
    numbers = [value for value in values if value is not None]
    mean = statistics.fmean(numbers)
    if len(numbers) < 2:
        return SeedValues(numbers, mean, None, None)
    sd = statistics.stdev(numbers)
    if len(numbers) < 3:
        return SeedValues(numbers, mean, sd, None)
    half = students_t(len(numbers) - 1) * sd / math.sqrt(len(numbers))
    return SeedValues(numbers, mean, sd, (mean - half, mean + half))


def advantage(
    values: Sequence[float], over: Sequence[float], *, maximize: bool
) -> tuple[float, float]:
    """Compares values with others of the same seeds.

    A seed that is hard for one is hard for the other as well, so the differences vary less than
    the values.

    Returns:
        The mean of the differences, which is positive if the first are better, and its standard
        error.
    """
    sign = 1 if maximize else -1
    differences = [sign * (one - other) for one, other in zip(values, over, strict=True)]
    error = statistics.stdev(differences) / math.sqrt(len(differences))
    return statistics.fmean(differences), error


def students_t(degrees: int) -> float:
    """Returns the two-sided 95 % quantile of Student's t distribution.

    It bisects the distribution function, which is a finite sum for whole degrees of freedom
    (Abramowitz and Stegun, "Handbook of Mathematical Functions", 1964, 26.7.3 and 26.7.4).
    """

    def within(t: float) -> float:
        theta = math.atan(t / math.sqrt(degrees))
        odd = degrees % 2
        term, total = (math.cos(theta), 0.0) if odd else (1.0, 0.0)
        for k in range(1 + odd, degrees, 2):
            total += term
            term *= k / (k + 1) * math.cos(theta) ** 2
        total *= math.sin(theta)
        return 2 / math.pi * (theta + total) if odd else total

    low, high = 0.0, 13.0  # that of one degree of freedom is 12.7
    while high - low > 1e-13:
        middle = (low + high) / 2
        low, high = (middle, high) if within(middle) < CONFIDENCE else (low, middle)
    return high
