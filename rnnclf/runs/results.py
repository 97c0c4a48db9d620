"""Runs and studies as the commands that compare, pick and report see them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from hydra_study_sweeper import StudyRecord
from hydra_study_sweeper.records import RefitRecord

from rnnclf.configuration.schema import DatasetConfig
from rnnclf.files.result import Metric, RunResult, flat


def plain(value: Any) -> str:
    """Writes a value of a configuration as one types it, with rounded numbers."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Study:
    """A study that wrote its record."""

    folder: Path
    record: StudyRecord


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: Where it is.
        result: Its record.
        study: The study of which it is a trial, if it is one. A trial of several runs is the first
            of them, with the mean of all on validation texts.
        refit: The result of the study's refit, if this trial was trained again.
        parts: The runs of a trial of several.
    """

    folder: Path
    result: RunResult
    study: Study | None = None
    refit: RefitRecord | None = None
    parts: tuple["Run", ...] = ()

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """Its configuration by full keys such as `model.hidden_size`."""
        return flat(self.result.config)

    @cached_property
    def dataset(self) -> DatasetConfig:
        """The section `dataset` of its configuration."""
        keys = [field.name for field in fields(DatasetConfig)]
        return DatasetConfig(**{key: self.value(f"dataset.{key}") for key in keys})

    @property
    def task(self) -> str:
        """The data set, followed by `-coarse` if it has the coarse labels."""
        coarse = self.value("dataset.labels") == "coarse"
        return f"{self.result.dataset}-coarse" if coarse else self.result.dataset

    @property
    def cell(self) -> str:
        """`rnn`, `lstm` or `gru`."""
        return self.result.cell

    @property
    def metric(self) -> Metric:
        """The metric that decided its best epoch."""
        metric: Metric = "macro_f1" if self.value("training.metric") == "macro_f1" else "accuracy"
        return metric

    @property
    def val_accuracy(self) -> float | None:
        """The best validation accuracy; None for a run without a validation part."""
        return self.result.val_accuracy

    def validation(self, metric: Metric) -> float | None:
        """Returns a metric on the validation part."""
        return self.result.val_accuracy if metric == "accuracy" else self.result.val_macro_f1

    def value(self, key: str) -> Any:
        """Returns the value of a full key; None if the run is older than the key."""
        try:
            return self.config[key]
        except KeyError:
            return None

    @property
    def model_folder(self) -> Path:
        """The folder of the model to use: of the refit, if there is one."""
        if self.study is None or self.refit is None or self.refit.model.folder is None:
            return self.folder
        return self.study.folder / self.refit.model.folder
