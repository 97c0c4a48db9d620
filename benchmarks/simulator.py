"""Searches in a simulated world, with trials on any number of workers and a simulated clock.

The world knows the mean curves of the recorded configurations, smooths them for the points between,
and adds the noise that separates the repeats of a configuration from their mean.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

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
class Recorded:
    """What recorded trainings tell of their configurations.

    Attributes:
        points: The configurations.
        value: Their mean validation accuracies (configurations, epochs), without the effects of
            repeats.
        test: Likewise, their mean test accuracies.
        timed: The configurations whose seconds are recorded; all of them if none is, because then
            each epoch counts as a second.
        seconds: Their mean seconds (timed configurations, epochs).
        noise: What neither configuration nor repeat explains of validation and test accuracy
            (trainings, 2, epochs), in `spread`s.
        effects: By how much the accuracies of each repeat are above the mean (repeats, 2, epochs).
    """

    points: list[Point]
    value: Array
    test: Array
    timed: list[Point]
    seconds: Array
    noise: Array
    effects: Array


def summarize(runs: Sequence[Run]) -> Recorded:
    """Separates configurations, repeats and noise.

    All trials of a search have the same validation part, which may be an easy one for all of them.
    So the mean effect of a repeat is no noise of a search.
    """
    if not any(run.seconds for run in runs):
        runs = [replace(run, seconds=[1.0 + n for n in range(len(run.val_loss))]) for run in runs]
    of: dict[int, list[Run]] = {}
    for run in runs:
        of.setdefault(run.configuration, []).append(run)
    accuracies = [
        np.array([[run.val_accuracy, run.test_accuracy] for run in repeats])
        for repeats in of.values()
    ]
    most = max(map(len, accuracies))
    repeated = np.array([one for one in accuracies if len(one) == most])
    centers = repeated.mean(1, keepdims=True)
    effects = (repeated - centers).mean(0)
    # The means take their share of the variance with them.
    freedom = (1 - 1 / len(repeated)) * (1 - 1 / most)
    left = (repeated - centers - effects) / spread(centers) / np.sqrt(freedom)
    means = np.array(
        [
            (one - effects[[run.repeat for run in repeats]]).mean(0)
            for one, repeats in zip(accuracies, of.values(), strict=True)
        ]
    )
    timed = [
        measured for repeats in of.values() if (measured := [run for run in repeats if run.seconds])
    ]
    return Recorded(
        points=[repeats[0].point for repeats in of.values()],
        value=means[:, 0],
        test=means[:, 1],
        timed=[repeats[0].point for repeats in timed],
        seconds=np.array([np.mean([run.seconds for run in repeats], axis=0) for repeats in timed]),
        noise=left.reshape(-1, *left.shape[2:]),
        effects=effects,
    )


def spread(accuracy: Array) -> Array:
    """Returns the standard deviation of one answer; models that are nearly right differ less."""
    return np.sqrt(np.clip(accuracy * (1 - accuracy), 0.001, None))


@dataclass(frozen=True)
class World:
    """What trainings would have given, as far as the recorded ones tell.

    Args:
        recorded: What they tell.
        accuracy: Smooths validation and test accuracy of the configurations.
        speed: Smooths the seconds of the timed ones.
    """

    recorded: Recorded
    accuracy: Smoother
    speed: Smoother

    def expected(self, points: Sequence[Point]) -> Curves:
        """Returns the mean curves of points (points, epochs)."""
        recorded, weights = self.recorded, self.accuracy(points)
        # Rounded, because an error in the 15th digit would let the last trials end too late.
        seconds = np.exp(self.speed(points) @ np.log(recorded.seconds)).round(6)
        return Curves(
            weights @ recorded.value,
            weights @ recorded.test,
            np.maximum.accumulate(seconds, axis=1),
        )

    def train(self, point: Point, random: np.random.Generator) -> Curves:
        """Returns the curves of one training (epochs)."""
        mean, noise = self.expected([point]), self.recorded.noise
        value, test = noise[random.integers(len(noise))]
        return Curves(
            np.clip(mean.value[0] + value * spread(mean.value[0]), 0, 1),
            np.clip(mean.test[0] + test * spread(mean.test[0]), 0, 1),
            mean.seconds[0],
        )

    def quality(self, points: Sequence[Point]) -> Array:
        """Returns the expected test accuracy at the best epoch of the expected validation curve."""
        mean = self.expected(points)
        return mean.test[np.arange(len(points)), mean.value.argmax(1)]


@dataclass(frozen=True)
class Arm:
    """A way to search.

    Attributes:
        sampler: Makes the sampler from a seed.
        pruner: Makes the pruner.
        first: Points to try first.
        known: Points to try next, which are not pruned.
        in_batches: Whether workers wait for each other after each trial.
        value: Makes the value of a trial from its validation curve.
        keeps_pruned: Whether a pruned trial has a value and can win.
        rungs: The first rung, and by which factor the next is higher. A trial waits at each rung,
            and goes on from there as soon as it is promising; None for a pruner.
        finalists: How many of the best trials are trained anew before one wins.
    """

    sampler: Callable[[int], optuna.samplers.BaseSampler]
    pruner: Callable[[], optuna.pruners.BasePruner] = optuna.pruners.NopPruner
    first: Sequence[Point] = ()
    known: Sequence[Point] = ()
    in_batches: bool = False
    value: Callable[[Array], float] = np.max
    keeps_pruned: bool = False
    rungs: tuple[int, int] | None = None
    finalists: int = 1


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


class _Waiting:
    """Trials that wait at rungs for a second chance.

    A trial goes on if it is among the best 1/factor of those that have reached its rung (Li et al.,
    "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020).
    """

    def __init__(self, first: int, factor: int) -> None:
        self._factor = factor
        self._reached: dict[int, dict[int, float]] = {first * factor**n: {} for n in range(8)}
        self._trials: dict[int, _Running] = {}

    def arrives(self, one: _Running, value: float) -> bool:
        """Tells whether a trial is at a rung, where it then waits."""
        if one.epochs not in self._reached:
            return False
        self._reached[one.epochs][one.number] = value
        self._trials[one.number] = one
        return True

    def promoted(self) -> _Running | None:
        """Returns the trial that goes on, if there is one: the best of the highest rung."""
        for epochs, values in sorted(self._reached.items(), reverse=True):
            best = sorted(values, key=values.__getitem__, reverse=True)
            for number in best[: len(values) // self._factor]:
                if number in self._trials and self._trials[number].epochs == epochs:
                    return self._trials.pop(number)
        return None


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
    first = iter([*arm.first, *arm.known])
    spared = range(len(arm.first), len(arm.first) + len(arm.known))
    running: list[_Running] = []
    ended: list[Ended] = []
    waiting = _Waiting(*arm.rungs) if arm.rungs else None

    def begin(now: float) -> None:
        one = waiting.promoted() if waiting else None
        if one is None:
            if (point := next(first, None)) is not None:
                study.enqueue_trial(point)
            trial = study.ask()
            curves = train(suggest(trial, dimensions))
            end = now + float(curves.seconds[0])
            heapq.heappush(running, _Running(end, trial.number, trial, curves, now))
            return
        study.enqueue_trial(one.trial.params)  # a trial that has ended in Optuna cannot go on
        one.trial = study.ask()
        suggest(one.trial, dimensions)
        for epoch, value in enumerate(one.curves.value[: one.epochs], 1):
            one.trial.report(float(value), epoch)
        one.began = now - float(one.curves.seconds[one.epochs - 1])
        go_on(one)

    def go_on(one: _Running) -> None:
        one.next_end = one.began + float(one.curves.seconds[one.epochs])
        heapq.heappush(running, one)

    for _ in range(workers):
        begin(0.0)
    while running and running[0].next_end <= seconds:
        one = heapq.heappop(running)
        now = one.next_end
        outcome = _end_epoch(one, arm, is_spared=one.number in spared)
        if (
            outcome is None
            and waiting
            and waiting.arrives(one, float(one.curves.value[: one.epochs].max()))
        ):
            outcome = (TrialState.PRUNED, None)
        if outcome is None:
            go_on(one)
            continue
        state, value = outcome
        study.tell(one.trial, value, state)
        ended.append(Ended(now, dict(one.trial.params), value))
        for _ in range(workers if arm.in_batches and not running else not arm.in_batches):
            begin(now)
    return ended


def _end_epoch(
    one: _Running, arm: Arm, *, is_spared: bool
) -> tuple[TrialState, float | None] | None:
    """Reports an epoch; returns state and value of the trial if it ends with that."""
    never_pruned = isinstance(one.trial.study.pruner, optuna.pruners.NopPruner) and not arm.rungs
    if not never_pruned:  # reports take a third of the time, and the sampler ignores these
        one.trial.report(float(one.curves.value[one.epochs]), one.epochs + 1)
    one.epochs += 1
    value = float(arm.value(one.curves.value[: one.epochs]))
    if one.epochs == len(one.curves.value):
        return TrialState.COMPLETE, value
    if is_spared or not one.trial.should_prune():
        return None
    return (TrialState.COMPLETE, value) if arm.keeps_pruned else (TrialState.PRUNED, None)
