"""What a run writes about itself."""

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from torch import Tensor

from rnnclf.atomic import replacing, write_text
from rnnclf.classifier import Classifier
from rnnclf.config import identity
from rnnclf.data.corpus import Texts
from rnnclf.figures import draw_confusion_matrix
from rnnclf.metrics import Scores, confusion_matrix
from rnnclf.model import count_parameters
from rnnclf.paths import RESULT_FORMAT
from rnnclf.reproducibility import git_revision, package_versions
from rnnclf.trainer import EpochMetrics


class MetricsFile:
    """The file with one JSON object a line for each epoch; a context manager.

    Args:
        path: The file; what is there is replaced.
        epochs: What is in it at first.
    """

    def __init__(self, path: Path, epochs: Iterable[EpochMetrics] = ()) -> None:
        self._path = path
        self._first = list(epochs)
        self._file: TextIO | None = None

    def __enter__(self) -> "MetricsFile":
        self._file = self._path.open("w", encoding="utf-8")
        for metrics in self._first:
            self.append(metrics)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._file is not None, "entered as a context manager"
        self._file.close()

    def append(self, metrics: EpochMetrics) -> None:
        """Writes one line, so that it is there even if the run ends now."""
        assert self._file is not None, "entered as a context manager"
        self._file.write(json.dumps(asdict(metrics), allow_nan=False) + "\n")
        self._file.flush()


def write_predictions(classifier: Classifier, texts: Texts, logits: Tensor, path: Path) -> None:
    """Writes each text with its class, the predicted class and that one's probability (CSV)."""
    probabilities, predicted = logits.softmax(1).max(1)
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["sentence", "label", "predicted", "probability"])
        for text, label, index, probability in zip(
            texts.texts, texts.labels, predicted.tolist(), probabilities.tolist(), strict=True
        ):
            writer.writerow([text, label, classifier.classes[index], f"{probability:.4f}"])


def draw_confusions(classifier: Classifier, texts: Texts, logits: Tensor, path: Path) -> None:
    """Draws the confusion matrix of predictions for texts."""
    truth = classifier.class_indices(texts.labels)
    confusion = confusion_matrix(truth, logits.argmax(1).numpy(), len(classifier.classes))
    draw_confusion_matrix(confusion, classifier.classes, path)


def outcome(
    classifier: Classifier, best: EpochMetrics, test: Scores | None, num_epochs: int
) -> dict[str, Any]:
    """Gathers what `result.json` says of the model and where it came from."""
    config = classifier.config
    return {
        "format": RESULT_FORMAT,
        "dataset": config.dataset.name,
        "cell": config.model.cell,
        "val_accuracy": best.val_accuracy,
        "val_macro_f1": best.val_macro_f1,
        "val_loss": best.val_loss,
        "test_accuracy": test.accuracy if test else None,
        "test_macro_f1": test.macro_f1 if test else None,
        "test_loss": test.loss if test else None,
        "best_epoch": best.epoch,
        "epochs": num_epochs,
        "parameters": count_parameters(classifier.model),
        "vocabulary_size": len(classifier.vocabulary),
        "classes": len(classifier.classes),
        "identity": identity(config),
        "seed": config.seed,
        "git_revision": git_revision(),
        "versions": package_versions(),
        "config": asdict(config),
    }


def write_result(result: dict[str, Any], path: Path) -> None:
    """Writes `result.json`; the last thing that a run does."""
    write_text(path, json.dumps(result, indent=2, allow_nan=False) + "\n")


def summary(result: dict[str, Any], folder: Path) -> Iterator[str]:
    """Says in a few lines how a run ended and where its files are."""
    if result["val_accuracy"] is not None:
        yield (
            f"validation accuracy {result['val_accuracy']:.4f}  "
            f"macro-F1 {result['val_macro_f1']:.4f}  "
            f"({result['texts']['validation']} texts, "
            f"best epoch {result['best_epoch']} of {result['epochs']})"
        )
    if result["test_accuracy"] is not None:
        yield (
            f"test accuracy       {result['test_accuracy']:.4f}  "
            f"macro-F1 {result['test_macro_f1']:.4f}  ({result['texts']['test']} texts)"
        )
    yield f"{result['seconds']['total']:.0f} s, files in {folder}"
