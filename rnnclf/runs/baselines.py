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
from rnnclf.files.result import Count, Digest, Duration, Share, TextCounts
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
CLASS_WEIGHTS = "training.class_weights"


@dataclass(frozen=True)
class LinearModel:
    """A linear classifier.

    Attributes:
        features: The kind of features.
        num_features: The number of features.
        val_accuracy: Validation accuracy, trained without the validation part; null if that is
            empty.
        val_macro_f1: Validation macro-F1, likewise.
        test_accuracy: Test accuracy, trained with the validation part.
        test_macro_f1: Test macro-F1, likewise.
        seconds: The duration of both.
    """

    features: str
    num_features: Count
    val_accuracy: Share | None
    val_macro_f1: Share | None
    test_accuracy: Share
    test_macro_f1: Share
    seconds: Duration


@dataclass(frozen=True)
class Baseline:
    """Linear classifiers on a data set.

    Attributes:
        dataset: How the data set was configured.
        class_weights: `balanced` if every class counts the same in training, or null.
        data: A hash of all texts with their labels, however they are split.
        texts: The sizes of the parts.
        models: The classifiers.
        versions: The versions of the packages that trained them.
        format: The format of the file.
    """

    dataset: DatasetConfig
    class_weights: Literal["balanced"] | None
    data: Digest
    texts: TextCounts
    models: list[LinearModel]
    versions: dict[str, str]
    format: Literal[1] = 1

    def is_for(self, run: Run) -> bool:
        """Returns whether the run read the same texts, with the same class weights."""
        same_data = (self.dataset.name, self.data) == (run.result.dataset, run.result.data)
        same_split = split_of(self.dataset) == split_of(run.dataset)
        return same_data and same_split and self.class_weights == run.value(CLASS_WEIGHTS)


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


def distinct(runs: Iterable[Run]) -> dict[str, Config]:
    """Returns a configuration for each data set, split and kind of class weights of runs.

    Its name is the task and a hash of what tells it from others.

    Raises:
        SelectionError: If a run's configuration asks for something that cannot be done.
    """
    configs: dict[str, Config] = {}
    for run in runs:
        what = [*split_of(run.dataset).values(), run.result.data, run.value(CLASS_WEIGHTS)]
        name = f"{run.task}-{hashlib.sha256(json.dumps(what).encode()).hexdigest()[:6]}"
        if name not in configs:
            configs[name] = _checked(RunPaths(run.folder).config)
    return configs


def _checked(path: Path) -> Config:
    from rnnclf.configuration.composed import load  # here: other commands need not wait for Hydra

    try:
        return load(path)
    except ConfigError as error:
        raise SelectionError(f"{path}: {error}") from error
