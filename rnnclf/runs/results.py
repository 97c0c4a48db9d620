"""A run and its study, as the commands see them that compare, pick and report."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra_study_sweeper import StudyRecord
from hydra_study_sweeper.records import RefitRecord

from rnnclf.files.result import RunResult


@dataclass(frozen=True)
class Study:
    """A study that wrote its record.

    Attributes:
        folder: Where it is.
        record: What `study.json` says.
    """

    folder: Path
    record: StudyRecord


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: Where it is.
        result: What `result.json` says.
        config: Its configuration, by full keys such as `model.hidden_size`.
        study: The study of which it is a trial, if it is one. A trial of several runs is the first
            of them, with the mean of all on validation texts.
        refit: What came of the refit of its study, if it is the winner.
        parts: The runs of a trial of several.
    """

    folder: Path
    result: RunResult
    config: Mapping[str, Any]
    study: Study | None = None
    refit: RefitRecord | None = None
    parts: tuple["Run", ...] = ()

    @property
    def task(self) -> str:
        """The data set and what else decides what is to be told apart."""
        labels, folder = self.value("dataset.labels"), self.value("dataset.folder")
        if labels == "coarse":
            return f"{self.result.dataset}-{labels}"
        if self.result.dataset == "csv" and folder:  # of a version in which no folder had a name
            return f"csv-{Path(folder).name}"
        return self.result.dataset

    @property
    def cell(self) -> str:
        """`rnn`, `lstm` or `gru`."""
        return self.result.cell

    @property
    def val_accuracy(self) -> float | None:
        """The best validation accuracy; None for a run without a validation part."""
        return self.result.val_accuracy

    def value(self, key: str) -> Any:
        """Returns the value of a full key; None if the run does not have it."""
        try:
            return self.config[key]
        except KeyError:  # of an earlier version, or another data set
            return None

    @property
    def is_mean(self) -> bool:
        """Whether its accuracy on validation texts is the mean of several runs, of a trial."""
        return bool(self.parts)

    @property
    def model_folder(self) -> Path:
        """The folder of the model to use: of the refit, if there is one."""
        if self.study is None or self.refit is None:
            return self.folder
        return self.study.folder / self.refit.model.folder
