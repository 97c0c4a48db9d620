"""Compares searches in the world of the recorded curves, and writes docs/search.md.

    python benchmarks/replay.py [--repetitions 200] [--datasets questions sentiment]

Repeats each search of `arms.py` on a simulated clock with 1, 2, 4 and 16 workers, for as long as 40
full trainings take. Writes the pictures and the part of the page below its mark. Trains nothing:
needs `benchmarks/curves/`, and chromium for the pictures.
"""

import argparse
import itertools
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import optuna
from arms import arms_of
from comparisons import Replays
from recordings import REDUCED, Space, path_of, read_runs, space_of
from replay_page import write_page
from scipy.stats import qmc
from simulator import Array, World, means_and_noise, search, winner
from smoothers import gaussian_process, nearest, targets_of

WORKERS = (1, 2, 4, 16)
FULL_TRIALS = 40
STEPS = 20  # of the time, at which the winner so far is looked at
CONFIGURATIONS = 30  # recorded ones without which nothing is replayed
SAMPLED = 4096  # points, of which the best is what could be found
FOLDS = 8


@dataclass(frozen=True)
class Scene:
    """Where searches are replayed.

    Attributes:
        space: The search space.
        world: Answers its points.
        seconds: Mean CPU seconds of a full training.
        best: The best quality of a point.
        default: The quality of trial 0.
    """

    space: Space
    world: World
    seconds: float
    best: float
    default: float


@lru_cache
def scene_of(dataset: str) -> Scene:
    """Returns the scene of a data set."""
    space = space_of(dataset)
    points, recorded, noise = means_and_noise(read_runs(path_of(dataset)))
    smoothed = partial(gaussian_process, points, space.dimensions)
    accuracy, speed = map(smoothed, targets_of(recorded))
    world = World(recorded, noise, accuracy, speed)
    sample = [
        space.point_at(row) for row in qmc.Sobol(len(space.dimensions), rng=1).random(SAMPLED)
    ]
    seconds = float(world.expected(sample).seconds[:, -1].mean())
    best = float(world.quality(sample).max())
    return Scene(space, world, seconds, best, float(world.quality(space.first[:1])[0]))


def replay(job: tuple[str, str, int, int]) -> Array:
    """Runs one search; returns the quality of the winner at each step of its time.

    A search without a complete trial has the quality of trial 0, which needs no search.

    Args:
        job: Data set, arm, number of workers, and seed.
    """
    dataset, name, workers, seed = job
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    scene = scene_of(dataset)
    arm, dimensions = arms_of(scene.space)[name], scene.space.dimensions
    random = np.random.default_rng(seed)
    train = partial(scene.world.train, random=random)
    seconds = FULL_TRIALS * scene.seconds / workers
    ended = search(arm, dimensions, train, workers, seconds, seed)
    times = seconds * np.arange(1, STEPS + 1) / STEPS
    won = [winner(arm, ended, train, workers, float(time)) for time in times]
    points = [point for point in won if point is not None]
    qualities = iter(scene.world.quality(points) if points else ())
    return np.array([scene.default if point is None else next(qualities) for point in won])


def errors_of(dataset: str) -> dict[str, tuple[float, float]]:
    """Returns for each smoother its error on configurations that it has not seen.

    These are mean absolute differences: of the test accuracy at the end, and of the logarithm of
    the seconds.
    """
    dimensions = space_of(dataset).dimensions
    points, recorded, _ = means_and_noise(read_runs(path_of(dataset)))
    targets = targets_of(recorded)
    fold_of = np.arange(len(points)) % FOLDS
    found: dict[str, list[tuple[float, float]]] = {"nearest": [], "Gaussian process": []}
    for fold in range(FOLDS):
        seen, held = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
        known = [points[index] for index in seen]
        at = [points[index] for index in held]
        both = [nearest(known, dimensions)] * 2
        processes = [gaussian_process(known, dimensions, target[seen]) for target in targets]
        for name, smoothers in zip(found, (both, processes), strict=True):
            wrong = [
                np.abs(smooth(at) @ target[seen, -1] - target[held, -1]).mean()
                for smooth, target in zip(smoothers, targets, strict=True)
            ]
            found[name].append((float(wrong[0]), float(wrong[1])))
    return {name: tuple(np.mean(values, axis=0)) for name, values in found.items()}


def replays_of(dataset: str, repetitions: int, pool: ProcessPoolExecutor) -> Replays:
    """Runs all searches of a data set."""
    scene = scene_of(dataset)
    names = list(arms_of(scene.space))
    jobs = [(dataset, *job) for job in itertools.product(names, WORKERS, range(repetitions))]
    qualities = np.array(list(pool.map(replay, jobs, chunksize=8)))
    shape = (len(names), len(WORKERS), repetitions, STEPS)
    runs = read_runs(path_of(dataset))
    return Replays(
        dataset,
        names,
        WORKERS,
        qualities.reshape(shape),
        best=scene.best,
        default=scene.default,
        runs=len(runs),
        configurations=len({run.configuration for run in runs}),
        errors=errors_of(dataset),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--datasets", nargs="+", default=list(REDUCED))
    options = parser.parse_args()
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        replays = [
            replays_of(dataset, options.repetitions, pool)
            for dataset in options.datasets
            if len({run.configuration for run in read_runs(path_of(dataset))}) >= CONFIGURATIONS
        ]
    write_page(replays)


if __name__ == "__main__":
    main()
