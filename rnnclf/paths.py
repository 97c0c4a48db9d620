"""Every file name of a run and of a model, and nowhere else."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

RESULT_FORMAT = 2  # of result.json; 1 had no `config` in it
BASELINE_FORMAT = 1  # of baseline.json
BUNDLE_FORMAT = 2  # of metrics.json in a bundle; in 1 the configuration had no `precision`


def cache_folder() -> Path:
    """Returns where prepared data is kept: `$RNNCLF_CACHE`, or the user's cache folder."""
    import pooch  # here: it takes time, and most that import this module do not ask

    return Path(os.environ.get("RNNCLF_CACHE") or pooch.os_cache("rnnclf"))


def host_lock(name: str) -> Path:
    """A file that processes of this user on this machine lock, and no others.

    It is in the cache folder, since jobs of a cluster may have a temporary folder each.
    """
    folder = cache_folder() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{socket.gethostname()}-{name}.lock"


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
        """The validation texts with label, predicted label and probability (CSV)."""
        return self.folder / "predictions.csv"

    @property
    def confusion_matrix(self) -> Path:
        """A picture of the confusion matrix on the validation part."""
        return self.folder / "confusion_matrix.png"

    @property
    def learning_curves(self) -> Path:
        """A picture of losses and accuracies over the epochs."""
        return self.folder / "learning_curves.png"

    @property
    def log(self) -> Path:
        """What the run said, with times (`conf/hydra/job_logging/plain.yaml` names it)."""
        return self.folder / "run.log"

    @property
    def result(self) -> Path:
        """The outcome; written last, so that its presence means that the run finished."""
        return self.folder / "result.json"
