"""Which trial of a simulated search wins."""

import statistics
from collections.abc import Callable, Sequence

import numpy as np
from hydra_study_sweeper.space.points import Point
from simulator import Arm, Curves, Ended

AGAIN = 2  # trainings of each finalist
SEEDS = 5  # of a refit in `sweeps/`


def winner(ended: Sequence[Ended], seconds: float) -> Point | None:
    """Returns which point wins if all is over after some seconds; None if no trial is complete."""
    best = _best(ended, seconds, 1)
    return best[0].point if best else None


def raced(
    arm: Arm,
    ended: Sequence[Ended],
    train: Callable[[Point], Curves],
    workers: int,
    seconds: float,
) -> Point | None:
    """Returns which point wins if the finalists are trained anew until all is over.

    The search ends as late as it leaves time for that. The mean over all trainings decides.
    """
    in_time = [trial.seconds for trial in ended if trial.seconds <= seconds]
    for end in sorted(in_time, reverse=True):
        finalists = _best(ended, end, arm.finalists)
        again = [[train(trial.point) for _ in range(AGAIN)] for trial in finalists]
        needed = sum(float(curves.seconds[-1]) for of_one in again for curves in of_one)
        if finalists and end + needed / workers <= seconds:
            means = [
                np.mean([trial.value, *(arm.value(curves.value) for curves in of_one)])
                for trial, of_one in zip(finalists, again, strict=True)
            ]
            return finalists[int(np.argmax(means))].point
    return winner(ended, seconds)


def rival(ended: Sequence[Ended], seconds: float, arm: Arm, won: Point) -> Point | None:
    """Returns the best known point besides the winner, if a trial with one is complete by then."""
    known = [*arm.first, *arm.known]
    others = [trial for trial in ended if trial.point in known and trial.point != won]
    best = _best(others, seconds, 1)
    return best[0].point if best else None


def is_better(point: Point, other: Point, train: Callable[[Point], Curves]) -> bool:
    """Tells whether a point is better than another in new trainings, as a refit does."""
    better = [float(train(point).value.max() - train(other).value.max()) for _ in range(SEEDS)]
    return statistics.fmean(better) > 0


def _best(ended: Sequence[Ended], seconds: float, count: int) -> list[Ended]:
    """Returns the best trials that are complete after some seconds."""
    able = [trial for trial in ended if trial.value is not None and trial.seconds <= seconds]
    return sorted(able, key=lambda trial: trial.value or 0.0, reverse=True)[:count]
