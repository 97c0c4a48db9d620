"""Chooses points that are good for a data set on which nobody has searched yet.

    python benchmarks/portfolio.py [questions-default sentiment-default ...]

Prints the `warm_start` of `sweeps/default.yaml`. The points are chosen one after the other: each
lowers the mean regret of the best of them the most. What the recorded curves leave open is drawn:
each data set counts as many, whose configurations are drawn from its own with replacement.
"""

import argparse
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import yaml
from hydra_study_sweeper.space.points import Point
from recordings import SHARED, Space, path_of, read_runs, recorded_enough, space_of
from scipy.stats import qmc
from simulator import Array, summarize
from smoothers import gaussian_process, targets_of

SIZE = 4  # points
DRAWN = 16  # data sets from each one
CANDIDATES = 1024


def portfolio(names: Sequence[str], size: int = SIZE) -> list[Point]:
    """Returns points that complement trial 0, the best first.

    Args:
        names: Of curves of the same space, one or more.
        size: How many points.
    """
    space = space_of(names[0])
    candidates = _candidates(space)
    regrets = np.concatenate([_regrets(name) for name in names])
    left, chosen = regrets[:, 0], []
    for _ in range(size):
        best = int(np.minimum(regrets, left[:, None]).mean(0).argmin())
        left = np.minimum(left, regrets[:, best])
        chosen.append(candidates[best])
    return chosen


def known_elsewhere(name: str, size: int = SIZE) -> list[Point]:
    """Returns the points that the other data sets recommend, if they share the search space."""
    others = [other for other in recorded_enough(SHARED) if other != name]
    return portfolio(others, size) if name in SHARED else []


def _candidates(space: Space) -> list[Point]:
    """Returns trial 0, then points that cover the space."""
    sample = qmc.Sobol(len(space.dimensions), rng=2).random(CANDIDATES)
    return [*space.first[:1], *(_rounded(space.point_at(row)) for row in sample)]


def _rounded(point: Point) -> Point:
    return {
        key: float(f"{value:.1e}") if isinstance(value, float) else value
        for key, value in point.items()
    }


@lru_cache  # a replay leaves out each data set in turn
def _regrets(name: str) -> Array:
    """Returns how far validation accuracies are below the best (data sets, candidates).

    The unit is what a median candidate loses, for data sets are not equally hard.
    """
    random = np.random.default_rng(0)
    space = space_of(name)
    candidates = _candidates(space)
    recorded = summarize(read_runs(path_of(name)))
    points, (targets, _) = recorded.points, targets_of(recorded)
    regrets = []
    for _ in range(DRAWN):
        drawn = np.unique(random.integers(len(points), size=len(points)))
        smooth = gaussian_process([points[n] for n in drawn], space.dimensions, targets[drawn])
        lost = -smooth(candidates) @ targets[drawn, 0]
        lost -= lost.min()
        regrets.append(lost / np.median(lost))
    return np.array(regrets)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=recorded_enough(SHARED))
    print(yaml.safe_dump(portfolio(parser.parse_args().names), sort_keys=False))


if __name__ == "__main__":
    main()
