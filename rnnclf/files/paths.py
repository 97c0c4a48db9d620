"""Every file name of a run, a model and a baseline, and nowhere else."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Returns where prepared data is kept: `$RNNCLF_CACHE`, or the user's cache folder."""
    import pooch  # here: it takes time, and few that import this module need it

    return Path(os.environ.get("RNNCLF_CACHE") or pooch.os_cache("rnnclf"))


BASELINE = "baseline.json"  # a `Baseline`: what linear classifiers achieve, in its own folder


class ModelPaths:
    """The files from which a trained model is loaded again.

    Args:
        folder: Where they are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config.yaml"  # the resolved configuration
        self.weights = folder / "model.safetensors"  # of the epoch with the best accuracy
        self.vocabulary = folder / "vocabulary.txt"  # a word a line, in the order of their indices
        self.labels = folder / "labels.txt"  # a class a line, in the order of their indices
        self.all = (self.config, self.weights, self.vocabulary, self.labels)


class BundlePaths(ModelPaths):
    """The files of a bundle: a model, what it achieved, and a page about it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.metrics = folder / "metrics.json"  # a `BundleRecord`, with checksums of the files
        self.card = folder / "README.md"  # the model card


class RunPaths(ModelPaths):
    """The files that one training run leaves: a model and the record of how it came about."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.metrics = folder / "metrics.jsonl"  # one line for each epoch: `EpochMetrics`
        self.checkpoint = folder / "checkpoint.safetensors"  # until the run is finished
        self.predictions = folder / "predictions.csv"  # a `Prediction` for each validation text
        self.log = folder / "run.log"  # as `conf/hydra/job_logging/plain.yaml` names it
        self.result = folder / "result.json"  # a `RunResult`; written last
