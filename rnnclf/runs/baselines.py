"""`baseline.json`: the accuracies of linear classifiers on the texts of runs."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hydra_study_sweeper.files import write_record

from rnnclf.configuration.schema import Config, DatasetConfig
from rnnclf.errors import ConfigError, SelectionError
from rnnclf.files.paths import BASELINE, RunPaths
from rnnclf.files.result import Count, Duration, Share, TextCounts
from rnnclf.runs.results import Run

# What may differ between runs of a task and decides which texts they read.
SPLIT = (
    "folder",
    "file",
    "validation_file",
    "test_file",
    "labels",
    "split_seed",
    "validation_seed",
    "train_fraction",
    "validation_fraction",
)


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
    num_features: Count
    val_accuracy: Share | None
    test_accuracy: Share
    seconds: Duration


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
    """

    dataset: DatasetConfig
    digest: str
    texts: TextCounts
    models: list[LinearModel]
    versions: dict[str, str]
    format: Literal[1] = 1

    def is_for(self, run: Run) -> bool:
        """Tells whether the run read the same texts."""
        same_name = self.dataset.name == run.result.dataset
        return same_name and split_of(self.dataset) == split_of(run.dataset)


def split_of(dataset: DatasetConfig) -> dict[str, Any]:
    """Returns the settings that decide which texts a run reads."""
    split = {key: getattr(dataset, key) for key in SPLIT}
    if dataset.validation_seed is None:
        split["validation_seed"] = dataset.split_seed
    return split


def write_baseline(baseline: Baseline, folder: Path) -> Path:
    """Writes the baselines of a data set into a folder, and returns the file."""
    folder.mkdir(parents=True, exist_ok=True)
    write_record(folder / BASELINE, baseline)
    return folder / BASELINE


def datasets_of(runs: Iterable[Run]) -> dict[str, DatasetConfig]:
    """Returns the data sets of runs, each by a name of its task and a hash of its split.

    Raises:
        SelectionError: If a run's configuration asks for something that cannot be done.
    """
    datasets: dict[str, DatasetConfig] = {}
    for run in runs:
        split = json.dumps([*split_of(run.dataset).values()])
        name = f"{run.task}-{hashlib.sha256(split.encode()).hexdigest()[:6]}"
        if name not in datasets:
            datasets[name] = _checked(RunPaths(run.folder).config).dataset
    return datasets


def _checked(path: Path) -> Config:
    from rnnclf.configuration.composed import load  # here: other commands need not wait for Hydra

    try:
        return load(path)
    except ConfigError as error:
        raise SelectionError(f"{path}: {error}") from error
