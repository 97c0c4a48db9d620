"""`metrics.jsonl`: one line for each epoch of a run."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec
from hydra_study_sweeper.files import LARGEST_RECORD, RecordError, not_through_links, read_bounded
from hydra_study_sweeper.printable import one_line

from rnnclf.files.result import Count, Duration, Metric, Share

DIVERGED = 0.02  # a drop of the training accuracy that is too large for chance


@dataclass(frozen=True)
class EpochMetrics:
    """The metrics of an epoch; without a validation part its metrics are null.

    Attributes:
        epoch: The number of the epoch, from 1.
        train_loss: Mean loss on the training texts during the epoch (with dropout and label
            smoothing).
        train_accuracy: Accuracy on the training texts during the epoch.
        val_loss: Cross-entropy on the validation part after the epoch.
        val_accuracy: Accuracy on the validation part.
        val_macro_f1: Macro-F1 on the validation part.
        lr: Learning rate of the last step.
        seconds: Wall time of training and validation.
        tokens_per_second: Training words, without padding, for each second of training.
    """

    epoch: Count
    train_loss: float
    train_accuracy: Share
    val_loss: float | None
    val_accuracy: Share | None
    val_macro_f1: Share | None
    lr: float
    seconds: Duration
    tokens_per_second: float

    def validation(self, metric: Metric) -> float | None:
        """Returns a metric on the validation part."""
        return self.val_accuracy if metric == "accuracy" else self.val_macro_f1

    def better_than(self, other: "EpochMetrics | None", metric: Metric = "accuracy") -> bool:
        """Returns whether the validation metric is higher, or equal with a lower loss.

        Without a validation part the later epoch is better, unless training has diverged since:
        with a high learning rate, the accuracy on the training texts may drop.
        """
        if other is None:
            return True
        value, others = self.validation(metric), other.validation(metric)
        if value is None or others is None:
            return self.train_accuracy >= other.train_accuracy - DIVERGED
        assert self.val_loss is not None and other.val_loss is not None, "as the metric"
        return (value, -self.val_loss) > (others, -other.val_loss)


def write_epochs(path: Path, epochs: Iterable[EpochMetrics], *, append: bool = False) -> None:
    """Writes epochs in place of those in the file, or after them."""
    mode = "a" if append else "w"
    with open(path, mode, encoding="utf-8", opener=not_through_links) as file:
        for metrics in epochs:
            file.write(json.dumps(asdict(metrics), allow_nan=False) + "\n")


def read_epochs(path: Path) -> list[EpochMetrics]:
    """Reads the epochs of a run.

    Raises:
        RecordError: If the file is missing or damaged.
    """
    try:
        lines = read_bounded(path, LARGEST_RECORD).splitlines()
        return [msgspec.json.decode(line, type=EpochMetrics) for line in lines]
    except FileNotFoundError as error:
        raise RecordError(f"there is no {path.name}") from error
    except (OSError, msgspec.DecodeError, RecursionError) as error:
        raise RecordError(f"{path.name} is damaged: {one_line(str(error))}") from error
