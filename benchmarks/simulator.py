"""Searches in a simulated world, with trials on any number of workers and a simulated clock.

The world knows the mean curves of the recorded configurations, smooths them for the points between,
and adds the noise of another seed and validation part: what separates the repeats of a
configuration from their mean.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import optuna
from hydra_study_sweeper.space.dimensions import Dimension
from hydra_study_sweeper.space.points import Point, suggest
from optuna.trial import TrialState
from recordings import Run

Array = npt.NDArray[np.float64]
Smoother = Callable[[Sequence[Point]], Array]
"""Returns the weights of the recorded configurations at points (points, configurations)."""


@dataclass(frozen=True)
class Curves:
    """A training, with a value for each of its epochs.

    Attributes:
        value: Validation accuracy.
        test: Test accuracy.
        seconds: From the start to the end of the epoch.
    """

    value: Array
    test: Array
    seconds: Array


@dataclass(frozen=True)
class World:
    """What trainings would have given, as far as the recorded ones tell.

    Args:
        recorded: The mean curves of each recorded configuration (configurations, epochs).
        noise: For each repeat how far its accuracies are from the mean (repeats, 2, epochs).
        accuracy: Smooths validation and test accuracy.
        speed: Smooths the seconds.
    """

    recorded: Curves
    noise: Array
    accuracy: Smoother
    speed: Smoother

    def expected(self, points: Sequence[Point]) -> Curves:
        """Returns the mean curves of points (points, epochs)."""
        weights = self.accuracy(points)
        logarithms = self.speed(points) @ np.log(self.recorded.seconds)
        seconds = np.maximum.accumulate(np.exp(logarithms), axis=1)
        return Curves(weights @ self.recorded.value, weights @ self.recorded.test, seconds)

    def train(self, point: Point, random: np.random.Generator) -> Curves:
        """Returns the curves of one training (epochs)."""
        mean = self.expected([point])
        value, test = self.noise[random.integers(len(self.noise))]
        return Curves(mean.value[0] + value, mean.test[0] + test, mean.seconds[0])

    def quality(self, points: Sequence[Point]) -> Array:
        """Returns the expected test accuracy at the best epoch of the expected validation curve."""
        mean = self.expected(points)
        return mean.test[np.arange(len(points)), mean.value.argmax(1)]


def means_and_noise(runs: Sequence[Run]) -> tuple[list[Point], Curves, Array]:
    """Returns the recorded configurations, their mean curves, and the noise of their repeats."""
    of: dict[int, list[Run]] = {}
    for run in runs:
        of.setdefault(run.configuration, []).append(run)
    curves = [
        np.array([[run.val_accuracy, run.test_accuracy, run.seconds] for run in repeats])
        for repeats in of.values()
    ]
    means = np.array([repeats.mean(0) for repeats in curves])
    most = max(map(len, curves))
    accuracies = np.array([repeats[:, :2] for repeats in curves if len(repeats) == most])
    points = [repeats[0].point for repeats in of.values()]
    return points, Curves(*means.transpose(1, 0, 2)), _interaction(accuracies)


def _interaction(values: Array) -> Array:
    """Returns what neither the configuration nor the repeat explains (all trainings, ...).

    All trials of a search have the same validation part, which may be an easy one for all of them.
    So the mean effect of a repeat is no noise of a search.

    Args:
        values: Of repeated configurations (configurations, repeats, ...).
    """
    left = values - values.mean(1, keepdims=True)
    left -= left.mean(0)
    configurations, repeats, *rest = values.shape
    # The means take their share of the variance with them.
    freedom = (1 - 1 / configurations) * (1 - 1 / repeats)
    return left.reshape(-1, *rest) / np.sqrt(freedom)


@dataclass(frozen=True)
class Arm:
    """A way to search.

    Attributes:
        sampler: Makes the sampler from a seed.
        pruner: Makes the pruner.
        first: Points to try first.
        in_batches: Whether workers wait for each other after each trial.
        value: Makes the value of a trial from its validation curve.
        keeps_pruned: Whether a pruned trial has a value and can win.
        finalists: How many of the best trials are run again with other seeds and validation parts,
            before the one with the best mean wins; 1 for none.
        again: How often each finalist is run again.
    """

    sampler: Callable[[int], optuna.samplers.BaseSampler]
    pruner: Callable[[], optuna.pruners.BasePruner] = optuna.pruners.NopPruner
    first: Sequence[Point] = ()
    in_batches: bool = False
    value: Callable[[Array], float] = np.max
    keeps_pruned: bool = False
    finalists: int = 1
    again: int = 0


@dataclass(frozen=True)
class Ended:
    """A trial that has ended.

    Attributes:
        seconds: When it ended.
        point: What was tried.
        value: Its value; None if it was pruned and cannot win.
    """

    seconds: float
    point: Point
    value: float | None


@dataclass(order=True)
class _Running:
    """A trial that runs; those of a heap are in the order in which their epochs end."""

    next_end: float
    number: int
    trial: optuna.Trial = field(compare=False)
    curves: Curves = field(compare=False)
    began: float = field(compare=False)
    epochs: int = field(default=0, compare=False)


def search(
    arm: Arm,
    dimensions: Sequence[Dimension],
    train: Callable[[Point], Curves],
    workers: int,
    seconds: float,
    seed: int,
) -> list[Ended]:
    """Runs a search on a simulated clock.

    Args:
        arm: The way to search.
        dimensions: The search space.
        train: Answers a point.
        workers: How many trials run at a time.
        seconds: How long the search may take.
        seed: Of the sampler.

    Returns:
        The trials that end in time, in that order.
    """
    study = optuna.create_study(
        direction="maximize", sampler=arm.sampler(seed), pruner=arm.pruner()
    )
    for point in arm.first:
        study.enqueue_trial(point)
    running: list[_Running] = []
    ended: list[Ended] = []

    def begin(now: float) -> None:
        trial = study.ask()
        curves = train(suggest(trial, dimensions))
        first = now + float(curves.seconds[0])
        heapq.heappush(running, _Running(first, trial.number, trial, curves, now))

    for _ in range(workers):
        begin(0.0)
    while running and running[0].next_end <= seconds:
        one = heapq.heappop(running)
        now = one.next_end
        outcome = _end_epoch(one, arm)
        if outcome is None:
            one.next_end = one.began + float(one.curves.seconds[one.epochs])
            heapq.heappush(running, one)
            continue
        state, value = outcome
        study.tell(one.trial, value, state)
        ended.append(Ended(now, dict(one.trial.params), value))
        for _ in range(workers if arm.in_batches and not running else not arm.in_batches):
            begin(now)
    return ended


def _end_epoch(one: _Running, arm: Arm) -> tuple[TrialState, float | None] | None:
    """Reports an epoch; returns state and value of the trial if it ends with that."""
    one.trial.report(float(one.curves.value[one.epochs]), one.epochs + 1)
    one.epochs += 1
    value = float(arm.value(one.curves.value[: one.epochs]))
    if one.epochs == len(one.curves.value):
        return TrialState.COMPLETE, value
    if not one.trial.should_prune():
        return None
    return (TrialState.COMPLETE, value) if arm.keeps_pruned else (TrialState.PRUNED, None)


def best_first(ended: Sequence[Ended]) -> list[Ended]:
    """Returns the trials that can win, the best first, of equals the one that ended first."""
    able = [trial for trial in ended if trial.value is not None]
    return sorted(able, key=lambda trial: -(trial.value or 0.0))


def winner(
    arm: Arm,
    ended: Sequence[Ended],
    train: Callable[[Point], Curves],
    workers: int,
    seconds: float,
) -> Point | None:
    """Returns which point wins if all is over after some seconds; None if no trial is complete.

    The search of an arm with finalists ends early enough for running these again.
    """
    in_time = [trial for trial in ended if trial.seconds <= seconds]
    for count in range(len(in_time), 0, -1) if arm.again else ():
        finalists = best_first(in_time[:count])[: arm.finalists]
        again = [[train(trial.point) for _ in range(arm.again)] for trial in finalists]
        takes = sum(float(run.seconds[-1]) for runs in again for run in runs) / workers
        if finalists and in_time[count - 1].seconds + takes <= seconds:
            means = [np.mean([arm.value(run.value) for run in runs]) for runs in again]
            return finalists[int(np.argmax(means))].point
    return best_first(in_time)[0].point if best_first(in_time) else None
