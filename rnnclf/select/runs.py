"""What a run and a study are to the commands that compare and select."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def task_name(dataset: str, labels: str | None, folder: str | None) -> str:
    """Names a data set and what else decides what is to be told apart."""
    if labels == "coarse":
        return f"{dataset}-{labels}"
    return f"{dataset}-{Path(folder).name}" if folder else dataset


@dataclass(frozen=True)
class Study:
    """A study that wrote its `study.json`.

    Attributes:
        folder: Where it is.
        summary: What `study.json` says.
    """

    folder: Path
    summary: Mapping[str, Any]

    @property
    def repeats(self) -> int:
        """How many runs each trial has; 1 in the studies of earlier versions."""
        return int(self.summary.get("repeats", 1))

    def is_repeated(self, folder: Path) -> bool:
        """Tells whether a folder of this study is that of a trial of several runs."""
        return self.repeats > 1 and folder.name.isdecimal()

    @property
    def winner(self) -> int | None:
        """The number of the trial that was trained again, if one was."""
        refit = self.summary["refit"]
        return None if refit is None else int(refit["trial"])


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: Where it is.
        result: What `result.json` says.
        config: Its configuration, by full keys such as `model.hidden_size`.
        study: The study of which it is a trial, if it is one. A trial of several runs is the first
            of them, with the mean of all on validation texts.
        refit: What its study says of training it again with several seeds, if it was.
        parts: The runs of such a trial.
    """

    folder: Path
    result: Mapping[str, Any]
    config: Mapping[str, Any]
    study: Study | None = None
    refit: Mapping[str, Any] | None = None
    parts: tuple["Run", ...] = ()

    @property
    def task(self) -> str:
        """The data set and what else decides what is to be told apart."""
        labels, folder = self.config["dataset.labels"], self.config["dataset.folder"]
        return task_name(str(self.result["dataset"]), labels, folder)

    @property
    def cell(self) -> str:
        """`rnn`, `lstm` or `gru`."""
        return str(self.result["cell"])

    @property
    def val_accuracy(self) -> float | None:
        """The best validation accuracy; None for a run without a validation part."""
        value: float | None = self.result["val_accuracy"]
        return value

    def value(self, key: str) -> Any:
        """Returns the value of a full key; None where the run's version did not have the key."""
        if key not in self.config:
            return None
        return self.config[key]

    @property
    def is_mean(self) -> bool:
        """Whether its accuracy on validation texts is the mean of several runs, of a trial."""
        return bool(self.parts)

    @property
    def model_folder(self) -> Path:
        """The folder of the model to use: of the refit, if there is one."""
        if self.study is None or self.refit is None:
            return self.folder
        return self.study.folder / str(self.refit["model"]["folder"])
