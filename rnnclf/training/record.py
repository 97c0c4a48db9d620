"""The record of a run, and its summary on screen."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from hydra_study_sweeper.paths import shown
from torch import Tensor

from rnnclf.configuration.identity import identity
from rnnclf.data.corpus import Texts
from rnnclf.data.prepared import PreparedTexts
from rnnclf.files.epochs import EpochMetrics
from rnnclf.files.predictions import Prediction
from rnnclf.files.result import RunResult, Seconds, TextCounts
from rnnclf.model.classifier import Classifier
from rnnclf.model.metrics import Scores
from rnnclf.model.network import count_parameters
from rnnclf.training.reproducibility import git_revision, package_versions


def predictions_of(classifier: Classifier, texts: Texts, logits: Tensor) -> Iterator[Prediction]:
    """Yields a prediction for each text."""
    probabilities, predicted = logits.softmax(1).max(1)
    for text, label, index, probability in zip(
        texts.texts, texts.labels, predicted.tolist(), probabilities.tolist(), strict=True
    ):
        yield Prediction(text, label, classifier.classes[index], probability)


def result_of(
    classifier: Classifier,
    data: PreparedTexts,
    best: EpochMetrics,
    test: Scores | None,
    *,
    epochs: int,
    device: str,
    started: datetime,
    clock: Sequence[float],
) -> RunResult:
    """Gathers the result of a run; `clock` has its start and the end of each phase in seconds."""
    config = classifier.config
    load, fit, evaluate = (round(end - start, 3) for start, end in pairwise(clock))
    return RunResult(
        dataset=config.dataset.name,
        cell=config.model.cell,
        val_accuracy=best.val_accuracy,
        val_macro_f1=best.val_macro_f1,
        val_loss=best.val_loss,
        test_accuracy=test.accuracy if test else None,
        test_macro_f1=test.macro_f1 if test else None,
        test_loss=test.loss if test else None,
        parameters=count_parameters(classifier.model),
        vocabulary_size=len(classifier.vocabulary),
        classes=len(classifier.classes),
        texts=TextCounts(len(data.training), len(data.validation), data.num_test),
        git_revision=git_revision(),
        versions=package_versions(),
        best_epoch=best.epoch,
        epochs=epochs,
        seed=config.seed,
        identity=identity(config),
        device=device,
        started=started.isoformat(timespec="seconds"),
        seconds=Seconds(load, fit, evaluate, total=round(clock[-1] - clock[0], 3)),
        config=asdict(config),
    )


def summary(result: RunResult, folder: Path) -> Iterator[str]:
    """Yields the accuracies, the time and the folder of a run."""
    if result.val_accuracy is not None:
        yield (
            f"validation accuracy {result.val_accuracy:.4f}  macro-F1 {result.val_macro_f1:.4f}  "
            f"({result.texts.validation} texts, "
            f"best epoch {result.best_epoch} of {result.epochs})"
        )
    if result.test_accuracy is not None:
        yield (
            f"test accuracy       {result.test_accuracy:.4f}  macro-F1 {result.test_macro_f1:.4f}  "
            f"({result.texts.test} texts)"
        )
    yield f"{result.seconds.total:.0f} s, files in {shown(folder)}"
