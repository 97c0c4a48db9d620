"""The record of a run, and its summary on screen."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from hydra_study_sweeper.paths import shown
from hydra_study_sweeper.printable import counted
from torch import Tensor

from rnnclf.configuration.identity import identity
from rnnclf.data.corpus import Texts
from rnnclf.data.prepared import PreparedTexts
from rnnclf.files.class_table import class_table
from rnnclf.files.epochs import EpochMetrics
from rnnclf.files.predictions import Prediction
from rnnclf.files.result import RunResult, Seconds, TextCounts
from rnnclf.model.classifier import Classifier
from rnnclf.model.metrics import Scores, of_classes
from rnnclf.model.network import count_parameters
from rnnclf.training.reproducibility import git_revision, package_versions

FEW_FOR_TEMPERATURE = 100  # validation texts


def predictions_of(
    part: str, texts: Texts, classes: Sequence[str], logits: Tensor
) -> Iterator[Prediction]:
    """Yields a prediction for each text of a part."""
    probabilities, predicted = logits.softmax(1).max(1)
    answers = zip(predicted.tolist(), probabilities.tolist(), strict=True)
    rows = map(json.loads, texts.rows or ["{}"] * len(texts))
    for text, label, (index, probability), row in zip(
        texts.texts, texts.labels, answers, rows, strict=True
    ):
        line, answer = row.pop("line", None), classes[index]
        yield Prediction(part, line, text, label, answer, round(probability, 4), row)


def result_of(
    classifier: Classifier,
    data: PreparedTexts,
    best: EpochMetrics,
    scores: Mapping[str, Scores],
    *,
    temperature: float,
    epochs: int,
    device: str,
    started: datetime,
    clock: Sequence[float],
) -> RunResult:
    """Gathers the result of a run.

    Args:
        classifier: The trained classifier.
        data: Its data.
        best: The best epoch.
        scores: The scores on the parts `validation` and `test`, where they were measured.
        temperature: What the logits are divided by.
        epochs: The number of epochs.
        device: Where it was trained.
        started: When.
        clock: The start and the end of each phase, in seconds.
    """
    config = classifier.config
    load, fit, evaluate = (round(end - start, 3) for start, end in pairwise(clock))
    return RunResult(
        dataset=config.dataset.name,
        cell=config.model.cell,
        **measures(scores, classifier.classes),
        temperature=temperature,
        parameters=count_parameters(classifier.model),
        vocabulary_size=len(classifier.vocabulary),
        classes=len(classifier.classes),
        texts=TextCounts(len(data.training), len(data.validation), data.num_test),
        data=data.data,
        splits=data.splits,
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


def measures(scores: Mapping[str, Scores], classes: Sequence[str]) -> dict[str, Any]:
    """Returns the fields of a `ModelResult` that are measured, by the scores on its parts."""
    fields: dict[str, Any] = {}
    for prefix, part in (("val", "validation"), ("test", "test")):
        of_part = scores.get(part)
        fields |= {
            f"{prefix}_{name}": getattr(of_part, name, None)
            for name in ("accuracy", "macro_f1", "loss", "calibration_error")
        }
        fields[f"{prefix}_classes"] = of_classes(of_part.classes, classes) if of_part else None
    validation = scores.get("validation")
    return fields | {"thresholds": validation.thresholds if validation else None}


def calibrated_on(texts: int, temperature: float) -> str:
    """Tells a temperature, and the number of texts on which it rests."""
    doubt = "; from so few it is a rough estimate" if texts < FEW_FOR_TEMPERATURE else ""
    return f"temperature {temperature:.2f}, fitted on {counted(texts, 'validation text')}{doubt}"


def summary(result: RunResult, folder: Path) -> Iterator[str]:
    """Yields the accuracies, the time and the folder of a run."""
    if result.val_accuracy is not None:
        yield (
            f"validation accuracy {result.val_accuracy:.4f}  macro-F1 {result.val_macro_f1:.4f}  "
            f"({counted(result.texts.validation, 'text')}, "
            f"best epoch {result.best_epoch} of {result.epochs})"
        )
    if result.test_accuracy is not None:
        yield (
            f"test accuracy       {result.test_accuracy:.4f}  macro-F1 {result.test_macro_f1:.4f}  "
            f"({counted(result.texts.test, 'text')})"
        )
    for part, classes in (("test", result.test_classes), ("validation", result.val_classes)):
        if classes:
            yield from class_table(classes, part)
            break
    yield f"{result.seconds.total:.0f} s, files in {shown(folder)}"
