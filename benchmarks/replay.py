"""Compares searches in the world of the recorded curves, and writes docs/search.md.

    python benchmarks/replay.py [--repetitions 20] [--names questions-default]
    python benchmarks/replay.py --tried     # variants of our search, with 2 workers

Repeats each search of `arms.py` on a simulated clock with 1, 2, 4 and 16 workers, for as long as 40
full trainings take. Writes the pictures and the part of the page below its mark; with `--tried`,
prints one table. Trains nothing: needs `benchmarks/curves/`, and chromium for the pictures.
"""

import argparse
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from multiprocessing import get_context

import numpy as np
import optuna
from arms import BEST_TRIAL, OURS, STOCK, arms_of, tried_arms
from comparisons import Replays
from hydra_study_sweeper.space.points import Point, as_overrides
from portfolio import SIZE, known_elsewhere
from recordings import SEARCHES, SHARED, Space, path_of, read_runs, recorded_enough, space_of
from replay_page import SHOWN, table, write_page
from scipy.stats import qmc
from simulator import Arm, Array, Curves, Smoother, World, search, summarize
from smoothers import gaussian_process, nearest, targets_of
from studies import read_studies
from winners import is_better, raced, rival, winner

WORKERS = (1, 2, 4, 16)
FULL_TRIALS = 40
STEPS = 12  # of the time, at which the winner so far is looked at
SAMPLED = 4096  # points, of which the best is what could be found
FOLDS = 7  # not 8, because each eighth configuration is a repeated one
OFTENER = 4  # repetitions, where p-values are wanted: in the shared spaces, with 2 workers
MOST_KNOWN = 8  # points that are good elsewhere, for the variants that are tried


@dataclass(frozen=True)
class Scene:
    """Where searches are replayed.

    Attributes:
        space: The search space.
        world: Answers its points.
        seconds: Mean CPU seconds of a full training, or its epochs; see `Recorded`.
        best: The best quality of a point.
        default: The quality of trial 0.
        known: Points that are good on the other data sets, the best first.
    """

    space: Space
    world: World
    seconds: float
    best: float
    default: float
    known: list[Point]


@lru_cache
def scene_of(name: str) -> Scene:
    """Returns the scene of recorded curves."""
    space = space_of(name)
    recorded = summarize(read_runs(path_of(name)))
    accuracies, seconds_of = targets_of(recorded)
    world = World(
        recorded,
        gaussian_process(recorded.points, space.dimensions, accuracies),
        gaussian_process(recorded.timed, space.dimensions, seconds_of),
    )
    sample = [
        space.point_at(row) for row in qmc.Sobol(len(space.dimensions), rng=1).random(SAMPLED)
    ]
    seconds = float(world.expected(sample).seconds[:, -1].mean())
    best = float(world.quality(sample).max())
    default = float(world.quality(space.first[:1])[0])
    return Scene(space, world, seconds, best, default, known_elsewhere(name, MOST_KNOWN))


def compared(scene: Scene) -> dict[str, Arm]:
    """Returns the searches of the page; ours knows as many points as a study of `sweeps/`."""
    return arms_of(scene.space, scene.known[:SIZE])


@dataclass(frozen=True)
class Replayed:
    """A search that was replayed.

    Attributes:
        won: The quality of the winner at each step of the time.
        kept: Likewise, where a known point stays unless the winner is better in new trainings.
        told: The best value, how many trials ended, and how many of them were pruned: what a real
            study can be compared with.
    """

    won: Array
    kept: Array
    told: tuple[float, int, int]


def replay(job: tuple[str, str, int, int]) -> Replayed:
    """Runs one search. As long as it has no complete trial, trial 0 is its winner.

    Args:
        job: Names of the curves and of the arm, number of workers, and seed.
    """
    name, arm_name, workers, seed = job
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    scene = scene_of(name)
    arms = compared(scene) | tried_arms(scene.space, scene.known)
    arm, dimensions = arms[arm_name], scene.space.dimensions
    random = np.random.default_rng(seed)
    train = partial(scene.world.train, random=random)
    seconds = FULL_TRIALS * scene.seconds / workers
    ended = search(arm, dimensions, train, workers, seconds, seed)
    times = seconds * np.arange(1, STEPS + 1) / STEPS
    if arm.finalists > 1:
        won = [raced(arm, ended, train, workers, float(time)) for time in times]
    else:
        won = [winner(ended, float(time)) for time in times]
    kept = won
    if arm_name == BEST_TRIAL:
        rivals = [
            None if point is None else rival(ended, float(time), arm, point)
            for time, point in zip(times, won, strict=True)
        ]
        kept = _kept(won, rivals, train)
    values = [trial.value for trial in ended if trial.value is not None]
    easier = scene.world.recorded.effects[0, 0, -1]  # the validation part of a real study
    return Replayed(
        _qualities(won, scene),
        _qualities(kept, scene),
        (max(values, default=np.nan) + easier, len(ended), len(ended) - len(values)),
    )


def _kept(
    won: Sequence[Point | None], rivals: Sequence[Point | None], train: Callable[[Point], Curves]
) -> list[Point | None]:
    """Puts their rivals in place of the winners that are not better in new trainings."""
    kept: list[Point | None] = []
    compared: tuple[Point | None, Point | None] = (None, None)
    for point, other in zip(won, rivals, strict=True):
        if point is not None and other is not None and (point, other) != compared:
            compared = (point, other)
            stays = is_better(point, other, train)
        kept.append(point if other is None or stays else other)
    return kept


def _qualities(points: Sequence[Point | None], scene: Scene) -> Array:
    """Returns the qualities of points, and that of trial 0 for None."""
    there = [point for point in points if point is not None]
    qualities = iter(scene.world.quality(there) if there else ())
    return np.array([scene.default if point is None else next(qualities) for point in points])


def errors_of(name: str) -> dict[str, tuple[float, float]]:
    """Returns for each smoother its error on configurations that it has not seen.

    These are mean absolute differences: of the highest test accuracy, and of the logarithm of the
    seconds.
    """
    dimensions = space_of(name).dimensions
    recorded = summarize(read_runs(path_of(name)))
    accuracies, seconds = targets_of(recorded)
    smoothers: dict[str, Callable[[Sequence[Point], Array], Smoother]] = {
        "nearest": lambda points, _: nearest(points, dimensions),
        "Gaussian process": lambda points, targets: gaussian_process(points, dimensions, targets),
    }
    return {
        between: (
            _error(smoother, recorded.points, accuracies),
            _error(smoother, recorded.timed, seconds),
        )
        for between, smoother in smoothers.items()
    }


def _error(
    smoother: Callable[[Sequence[Point], Array], Smoother],
    points: Sequence[Point],
    targets: Array,
) -> float:
    """Returns the mean absolute error about the last target of configurations not seen."""
    fold_of = np.arange(len(points)) % FOLDS
    wrong = []
    for fold in range(FOLDS):
        seen, held = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
        smooth = smoother([points[index] for index in seen], targets[seen])
        found = smooth([points[index] for index in held]) @ targets[seen, -1]
        wrong.append(np.abs(found - targets[held, -1]).mean())
    return float(np.mean(wrong))


def replays_of(name: str, repetitions: int, pool: ProcessPoolExecutor) -> Replays:
    """Runs all searches against recorded curves."""
    scene = scene_of(name)
    arms = list(compared(scene))
    place = arms.index(BEST_TRIAL)
    quality, checks = {}, {}
    for workers in WORKERS:
        count = repetitions * (OFTENER if workers == SHOWN and name in SHARED else 1)
        jobs = [(name, arm, workers, seed) for arm in arms for seed in range(count)]
        replayed = list(pool.map(replay, jobs, chunksize=8))
        found = [replayed[start : start + count] for start in range(0, len(jobs), count)]
        won = np.array([[one.won for one in of_arm] for of_arm in found])
        quality[workers] = np.insert(won, place, [one.kept for one in found[place]], axis=0)
        if workers == 1:
            checks = {
                STOCK: np.array([one.told for one in found[arms.index(STOCK)]]),
                OURS: np.array([one.told for one in found[place]]),
            }
    runs = read_runs(path_of(name))
    return Replays(
        name,
        [*arms[:place], OURS, *arms[place:]],
        quality,
        best=scene.best,
        default=scene.default,
        configurations=len({run.configuration for run in runs}),
        on_cpu=[max(run.test_accuracy) for run in runs if run.seconds],
        on_gpu=[max(run.test_accuracy) for run in runs if not run.seconds],
        errors=errors_of(name),
        checks=checks,
    )


def print_tried(names: Sequence[str], repetitions: int, pool: ProcessPoolExecutor) -> None:
    """Prints what variants of our search reach after 25, 50 and 100 % of the time."""
    arms = list(tried_arms(space_of(names[0]), []))
    jobs = [(name, arm, SHOWN, n) for arm in arms for name in names for n in range(repetitions)]
    quality = np.array([one.won for one in pool.map(replay, jobs, chunksize=4)])
    quality = quality.reshape(len(arms), len(names), repetitions, STEPS)
    shown = quality[..., [STEPS // 4 - 1, STEPS // 2 - 1, -1]]
    better = 100 * (shown[..., -1] - shown[0, ..., -1])  # of the same seeds
    errors = np.sqrt((better.var(2, ddof=1) / repetitions).sum(1)) / len(names)
    head = ["search", "25%", "50%", "100%", f"points above {arms[0]}", *names]
    rows = []
    for arm, each, gain, error in zip(arms, shown.mean(2), better, errors, strict=True):
        at_end = [f"{value:.4f}" for value in [*each.mean(0), *each[:, -1]]]
        rows.append([arm, *at_end[:3], f"{gain.mean():+.2f} ± {error:.2f}", *at_end[3:]])
    print("\n".join(table(head, rows)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=20)
    parser.add_argument("--names", nargs="+")
    parser.add_argument("--tried", action="store_true")
    options = parser.parse_args()
    names = options.names or recorded_enough(SHARED if options.tried else SEARCHES)
    for name in names:
        scene_of(name)  # once, and not by each process of the pool, which has a copy of this one
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), get_context("fork")) as pool:
        if options.tried:
            print_tried(names, options.repetitions, pool)
            return
        replays = [replays_of(name, options.repetitions, pool) for name in names]
    real = {name: studies for name in names if (studies := read_studies(name))}
    known = {
        name: [as_overrides(point, scene.space.dimensions) for point in scene.known[:SIZE]]
        for name, scene in zip(names, map(scene_of, names), strict=True)
    }
    write_page(replays, real, known)


if __name__ == "__main__":
    main()
