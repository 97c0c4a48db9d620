"""Every file name of a run, a model and a baseline, and nowhere else."""

import os
from dataclasses import dataclass
from pathlib import Path


def cache_folder() -> Path:
    """Returns where prepared data is kept: `$RNNCLF_CACHE`, or the user's cache folder."""
    import pooch  # here: it takes time, and few that import this module need it

    return Path(os.environ.get("RNNCLF_CACHE") or pooch.os_cache("rnnclf"))


@dataclass(frozen=True)
class ModelPaths:
    """The files from which a trained model is loaded again.

    Attributes:
        folder: Where they are.
    """

    folder: Path

    @property
    def config(self) -> Path:
        """The resolved configuration (YAML)."""
        return self.folder / "config.yaml"

    @property
    def weights(self) -> Path:
        """The weights of the epoch with the best validation accuracy."""
        return self.folder / "model.safetensors"

    @property
    def vocabulary(self) -> Path:
        """The words, one a line, in the order of their indices."""
        return self.folder / "vocabulary.txt"

    @property
    def labels(self) -> Path:
        """The class names, one a line, in the order of their indices."""
        return self.folder / "labels.txt"

    @property
    def all(self) -> tuple[Path, ...]:
        """All of them."""
        return (self.config, self.weights, self.vocabulary, self.labels)


@dataclass(frozen=True)
class BundlePaths(ModelPaths):
    """The files of a bundle: a model, what it achieved, and a page about it."""

    @property
    def metrics(self) -> Path:
        """Accuracies, origin, and the checksums of the model's files (JSON)."""
        return self.folder / "metrics.json"

    @property
    def card(self) -> Path:
        """The model card (Markdown)."""
        return self.folder / "README.md"


BASELINE = "baseline.json"  # what the baselines of a data set achieve, alone in its folder


@dataclass(frozen=True)
class RunPaths(ModelPaths):
    """The files that one training run leaves: a model and the record of how it came about."""

    @property
    def metrics(self) -> Path:
        """One JSON object a line, one line an epoch."""
        return self.folder / "metrics.jsonl"

    @property
    def checkpoint(self) -> Path:
        """All that the next epoch depends on; it goes when the run is finished."""
        return self.folder / "checkpoint.safetensors"

    @property
    def predictions(self) -> Path:
        """A `Prediction` for each validation text, or test text where there are none (CSV)."""
        return self.folder / "predictions.csv"

    @property
    def log(self) -> Path:
        """What the run said, with times (`conf/hydra/job_logging/plain.yaml` names it)."""
        return self.folder / "run.log"

    @property
    def result(self) -> Path:
        """The outcome; written last, so that its presence means that the run finished."""
        return self.folder / "result.json"
