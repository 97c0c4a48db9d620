"""Every file name of a run, a model and a baseline; no other module has one."""

import os
from pathlib import Path

from hydra_study_sweeper.paths import trial_card, user_cache


def cache_folder() -> Path:
    """Returns the folder of prepared data: `$RNNCLF_CACHE`, or the user's cache folder."""
    given = os.environ.get("RNNCLF_CACHE")
    return Path(given) if given else user_cache("rnnclf")


BASELINE = "baseline.json"  # a `Baseline`: what linear classifiers achieve, in its own folder


class ModelPaths:
    """The files from which a trained model is loaded again.

    Attributes:
        folder: Where they are.
        config: The resolved configuration.
        weights: The weights of the epoch that is best by `training.metric`.
        vocabulary: The words, one on each line, in the order of their indices.
        labels: The classes, one on each line, in the order of their indices.
        all: The files above.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config.yaml"
        self.weights = folder / "model.safetensors"
        self.vocabulary = folder / "vocabulary.txt"
        self.labels = folder / "labels.txt"
        self.all = (self.config, self.weights, self.vocabulary, self.labels)


class BundlePaths(ModelPaths):
    """The files of a bundle: a model, its accuracies, and a page about it.

    Attributes:
        metrics: The accuracies of the model and the checksums of the files: a `BundleRecord`.
        card: The model card: accuracy with interval, data, use, limits.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.metrics = folder / "metrics.json"
        self.card = folder / "README.md"


class RunPaths(ModelPaths):
    """The files of a training run: a model and the record of how it came about.

    Hydra adds the folder `.hydra/` with the composed configuration and its overrides.

    Attributes:
        metrics: One line for each epoch: `EpochMetrics`.
        checkpoint: The state after the last epoch, until the run is finished.
        predictions: One line for each validation text and, if the run was tested, for each test
            text: `Prediction`.
        card: The model card, if the run is tracked.
        log: The output on the terminal, with times.
        result: The outcome: a `RunResult`. It is written last; a run with it has finished.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.metrics = folder / "metrics.jsonl"
        self.checkpoint = folder / "checkpoint.safetensors"
        self.predictions = folder / "predictions.csv"
        self.card = trial_card(folder)
        self.log = folder / "run.log"  # as `conf/hydra/job_logging/plain.yaml` names it
        self.result = folder / "result.json"
