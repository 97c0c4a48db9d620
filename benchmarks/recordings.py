"""Recorded learning curves: which configurations are recorded, and the files that hold them."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from csv_folder import REPO
from hydra import compose, initialize_config_dir
from hydra_study_sweeper.space.dimensions import Dimension, parse_space
from hydra_study_sweeper.space.overrides import definitions_of
from hydra_study_sweeper.space.points import Point, first_points
from omegaconf import DictConfig
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from scipy.stats import qmc

from rnnclf.configuration.composed import register_schema

FOLDER = Path(__file__).with_name("curves")
# Fewer and shorter texts than those of the studies, with as many for validation.
REDUCED = {
    "questions": "dataset.train_fraction=0.375 dataset.validation_fraction=0.2",
    "sentiment": "dataset.train_fraction=0.375 dataset.validation_fraction=0.4",
    "spam": "dataset.train_fraction=0.4 dataset.validation_fraction=0.375 dataset.max_length=64",
    "newsgroups": "dataset.train_fraction=0.25 dataset.validation_fraction=0.3 "
    "dataset.max_length=40",
}
# The searches of the studies: of four dimensions, the same for all data sets, and of some twelve.
SHARED = {
    f"{dataset}-default": f"sweeps=default dataset={dataset} cell=gru {reduced}".split()
    for dataset, reduced in REDUCED.items()
}
SEARCHES = SHARED | {
    dataset: f"sweeps={dataset} cell=gru {reduced}".split() for dataset, reduced in REDUCED.items()
}
# What papers begin with: a plain GRU, and one after a language model (Dai and Le 2015).
PLAIN = {
    "optimizer.lr": 0.001,
    "training.batch_size": 32,
    "model.embedding_size": 128,
    "model.hidden_size": 128,
    "model.pooling": "last",
    "model.bidirectional": False,
    "model.ngram_buckets": 0,
    "model.embedding_dropout": 0.0,
    "model.dropout": 0.5,
    "model.word_dropout": 0.0,
    "training.pretrain_epochs": 0,
    "model.wide_buckets": 0,
}
LITERATURE = [PLAIN, *(PLAIN | {"training.pretrain_epochs": epochs} for epochs in (4, 8))]
ENOUGH = 40  # configurations, without which nothing is replayed
REPEATED, REPEATS = 8, 4  # each 8th configuration has 4 validation parts and seeds


@dataclass(frozen=True)
class Run:
    """One training with all its epochs.

    Attributes:
        configuration: Its number in the design.
        repeat: The number of its validation part and of its seed; 0 is that of a study's trials.
        point: The values of the search space.
        val_accuracy: After each epoch; shorter than the others' if the training diverged.
        val_loss: After each epoch.
        test_accuracy: After each epoch. No search may read it.
        seconds: CPU seconds from the start to the end of each epoch, without those of the test;
            none if it was trained on a GPU.
        by: What trained it: revision, torch and device.
    """

    configuration: int
    repeat: int
    point: Point
    val_accuracy: list[float]
    val_loss: list[float]
    test_accuracy: list[float]
    seconds: list[float]
    by: str


@dataclass(frozen=True)
class Space:
    """What the studies of a data set search.

    Attributes:
        dimensions: What is searched, in the order in which it is suggested.
        first: The points that are recorded first: the defaults, then those of the literature.
        epochs: The epochs of a full training.
    """

    dimensions: Sequence[Dimension]
    first: Sequence[Point]
    epochs: int

    def points(self) -> Iterator[Point]:
        """Yields the first points, then those of a scrambled Sobol sequence, without end."""
        yield from self.first
        sequence = qmc.Sobol(len(self.dimensions), rng=0)
        while True:
            for row in sequence.random(64):
                yield self.point_at(row)

    def point_at(self, row: Sequence[float]) -> Point:
        """Returns the point at coordinates from 0 to 1; a dimension may not apply there."""
        point: Point = {}
        for dimension, share in zip(self.dimensions, row, strict=True):
            if dimension.applies(point):
                point[dimension.key] = _value_at(dimension.distribution, float(share))
        return point

    def jobs(self) -> Iterator[tuple[int, int, Point]]:
        """Yields configuration, repeat and point of each run; any beginning is a fair sample."""
        for number, point in enumerate(self.points()):
            for repeat in range(1 if number % REPEATED else REPEATS):
                yield number, repeat, point


def _value_at(distribution: BaseDistribution, share: float) -> str | int | float | bool | None:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[int(share * len(distribution.choices))]
    assert isinstance(distribution, FloatDistribution), "the spaces have no other kind"
    low, high = distribution.low, distribution.high
    return low * (high / low) ** share if distribution.log else low + (high - low) * share


def composed(overrides: Sequence[str]) -> DictConfig:
    """Composes a configuration as `run.py` does."""
    register_schema()
    with initialize_config_dir(str(REPO / "conf")):
        return compose("config", list(overrides))


def space_of(name: str) -> Space:
    """Returns the space of one of the `SEARCHES`."""
    config = composed(SEARCHES[name])

    def configured(groups: Sequence[str] = ()) -> DictConfig:
        return config

    dimensions = parse_space(definitions_of(config.search_space), configured)
    literature = [_members(point, dimensions, config) for point in LITERATURE]
    points, _ = first_points(configured, dimensions, literature)
    distinct = [point for n, point in enumerate(points) if point not in points[:n]]
    return Space(dimensions, distinct, config.training.epochs)


def _members(point: Point, dimensions: Sequence[Dimension], config: DictConfig) -> Point:
    """Leaves out what a search space does not have."""
    found: Point = {}
    for dimension in dimensions:
        with suppress(KeyError, ValueError):
            found[dimension.key] = dimension.member(point[dimension.key], config)
    return found


def path_of(name: str) -> Path:
    """Returns the file of one of the `SEARCHES`."""
    return FOLDER / f"{name}.parquet"


def read_runs(path: Path) -> list[Run]:
    """Reads recorded runs in the order of the design; none if there is no file."""
    if not path.exists():
        return []
    rows = pq.read_table(path).to_pylist()
    return [Run(**row | {"point": json.loads(row["point"])}) for row in rows]


def recorded_enough(names: Iterable[str] = SEARCHES) -> list[str]:
    """Returns those of some searches that can be replayed."""
    return [
        name
        for name in names
        if len({run.configuration for run in read_runs(path_of(name))}) >= ENOUGH
    ]


def write_runs(path: Path, runs: Sequence[Run]) -> None:
    """Writes all runs of a search in the order of the design, in place of those in the file."""
    in_order = sorted(runs, key=lambda run: (run.configuration, run.repeat))
    rows = [asdict(run) | {"point": json.dumps(run.point)} for run in in_order]
    curve = pa.list_(pa.float32())
    schema = pa.schema(
        {"configuration": pa.int16(), "repeat": pa.int8(), "point": pa.string()}
        | dict.fromkeys(("val_accuracy", "val_loss", "test_accuracy", "seconds"), curve)
        | {"by": pa.string()}
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    pq.write_table(pa.Table.from_pylist(rows, schema), unfinished, compression="zstd")
    unfinished.replace(path)


def missing(
    space: Space, runs: Sequence[Run], configurations: int
) -> Iterator[tuple[int, int, Point]]:
    """Yields those runs of the design's first configurations that are still to be recorded.

    Raises:
        ValueError: If the recorded runs are of another design, since the search space has changed.
    """
    recorded = {(run.configuration, run.repeat): run.point for run in runs}
    for number, repeat, point in space.jobs():
        if number == configurations:
            return
        if (number, repeat) not in recorded:
            yield number, repeat, point
        elif recorded[number, repeat] != point:
            raise ValueError(f"configuration {number} is recorded with other values; begin anew")
