"""The linear baselines that `rnnclf baseline` measured, beside the runs on the same texts."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rnnclf.errors import SelectionError
from rnnclf.paths import BASELINE, BASELINE_FORMAT
from rnnclf.schema import DatasetConfig

# By what the texts of runs of a task differ.
SPLIT = (
    "dataset.folder",
    "dataset.labels",
    "dataset.split_seed",
    "dataset.validation_seed",
    "dataset.train_fraction",
    "dataset.validation_fraction",
)

Value = Callable[[str], Any]  # of a run: the value of a full key


@dataclass(frozen=True)
class Baseline:
    """Linear machines on a data set.

    Attributes:
        folder: Where `baseline.json` is.
        dataset: How the data set was configured, by full keys.
        models: What each set of features gave: `features`, `num_features`, `val_accuracy`,
            `test_accuracy`, `seconds`.
    """

    folder: Path
    dataset: Mapping[str, Any]
    models: Sequence[Mapping[str, Any]]

    def is_for(self, value: Value) -> bool:
        """Tells whether the run with these values had the same texts."""
        return self.dataset["dataset.name"] == value("dataset.name") and (
            split_of(self.dataset.__getitem__) == split_of(value)
        )


def split_of(value: Value) -> dict[str, Any]:
    """Returns what decides which texts a run had, by full keys.

    A null `validation_seed`, which runs of earlier versions do not have, is the `split_seed`.
    """
    split = {key: value(key) for key in SPLIT}
    if split["dataset.validation_seed"] is None:
        split["dataset.validation_seed"] = split["dataset.split_seed"]
    return split


def read_baseline(folder: Path) -> Baseline:
    """Reads the baselines in a folder.

    Raises:
        SelectionError: If the file is damaged or of a newer version.
    """
    path = folder / BASELINE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] > BASELINE_FORMAT:
            raise SelectionError(f"made by a newer rnnclf (format {content['format']})")
        given = {"validation_seed": None, **content["dataset"]}  # earlier versions had no such key
        dataset = {key: given[key.removeprefix("dataset.")] for key in ("dataset.name", *SPLIT)}
        models = [
            {
                "features": str(model["features"]),
                "num_features": int(model["num_features"]),
                "val_accuracy": _share(model["val_accuracy"]),
                "test_accuracy": float(model["test_accuracy"]),
                "seconds": float(model["seconds"]),
            }
            for model in content["models"]
        ]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise SelectionError(f"unreadable: {type(error).__name__}: {error}") from error
    return Baseline(folder, dataset, models)


def _share(value: Any) -> float | None:
    return None if value is None else float(value)


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
        split = split_of(value)
        if split["dataset.validation_seed"] == split["dataset.split_seed"]:
            del split["dataset.validation_seed"]  # so that names are those of earlier versions
        name = f"{task}-{hashlib.sha256(json.dumps([*split.values()]).encode()).hexdigest()[:6]}"
        datasets.setdefault(name, DatasetConfig(**values))
    return datasets
