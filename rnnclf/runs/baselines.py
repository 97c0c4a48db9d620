"""`baseline.json`: what linear classifiers achieve on the texts of the runs beside it."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from hydra_study_sweeper.files import RecordError, read_record, write_record

from rnnclf.configuration.schema import DatasetConfig
from rnnclf.files.paths import BASELINE
from rnnclf.files.result import Share, TextCounts

FORMAT = 1  # of baseline.json
# By what the texts of runs of a task differ.
SPLIT = (
    "dataset.folder",
    "dataset.labels",
    "dataset.split_seed",
    "dataset.validation_seed",
    "dataset.train_fraction",
    "dataset.validation_fraction",
)

Value = Callable[[str], Any]
"""The value of a full key, of a run."""


@dataclass(frozen=True)
class LinearModel:
    """A linear classifier.

    Attributes:
        features: The kind of features.
        num_features: The number of features.
        val_accuracy: Validation accuracy, trained without the validation part; null if that is
            empty.
        test_accuracy: Test accuracy, trained with the validation part.
        seconds: The duration of both.
    """

    features: str
    num_features: int
    val_accuracy: Share | None
    test_accuracy: Share
    seconds: float


@dataclass(frozen=True)
class Baseline:
    """Linear classifiers on a data set.

    Attributes:
        dataset: How the data set was configured.
        digest: A hash of the texts.
        texts: The sizes of the parts.
        models: The classifiers.
        versions: The versions of the packages that trained them.
        format: The format of the file.
        folder: Where the file is.
    """

    dataset: dict[str, Any]
    digest: str
    texts: TextCounts
    models: list[LinearModel]
    versions: dict[str, str]
    format: int = FORMAT
    folder: str = ""

    def is_for(self, value: Value) -> bool:
        """Tells whether the run with these values had the same texts."""
        full = {f"dataset.{name}": setting for name, setting in self.dataset.items()}
        same_name = full.get("dataset.name") == value("dataset.name")
        return same_name and split_of(full.get) == split_of(value)


def split_of(value: Value) -> dict[str, Any]:
    """Returns what decides which texts a run had, by full keys."""
    split = {key: value(key) for key in SPLIT}
    if split["dataset.validation_seed"] is None:
        split["dataset.validation_seed"] = split["dataset.split_seed"]
    return split


def write_baseline(baseline: Baseline, folder: Path) -> Path:
    """Writes the baselines of a data set into a folder, and returns the file."""
    folder.mkdir(parents=True, exist_ok=True)
    write_record(folder / BASELINE, baseline)
    return folder / BASELINE


def read_baseline(folder: Path) -> Baseline:
    """Reads the baselines in a folder.

    Raises:
        RecordError: If the file is damaged or of a newer version.
    """
    baseline = read_record(Baseline, folder / BASELINE)
    if baseline.format != FORMAT:
        raise RecordError(f"format {baseline.format}, which this rnnclf does not know")
    return replace(baseline, folder=str(folder))


def datasets_of(runs: Iterable[tuple[str, Value]]) -> dict[str, DatasetConfig]:
    """Returns the data sets of runs, each as it was split.

    Args:
        runs: The tasks and values of runs.

    Returns:
        The data sets by a name for each: its task and a hash of how it was split.
    """
    datasets: dict[str, DatasetConfig] = {}
    for task, value in runs:
        values = {field.name: value(f"dataset.{field.name}") for field in fields(DatasetConfig)}
        split = json.dumps([*split_of(value).values()])
        name = f"{task}-{hashlib.sha256(split.encode()).hexdigest()[:6]}"
        datasets.setdefault(name, DatasetConfig(**values))
    return datasets
