"""Pictures of a run."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rnnclf.atomic import replacing
from rnnclf.metrics import Indices
from rnnclf.trainer import EpochMetrics

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_CLASSES_WITH_COUNTS = 20


def draw_learning_curves(epochs: Sequence[EpochMetrics], best_epoch: int, path: Path) -> None:
    """Draws losses and accuracies of training and validation over the epochs (PNG)."""
    figure = _figure(9, 3.5)
    numbers = [metrics.epoch for metrics in epochs]
    for axes, measure in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for part, label in (("train", "training"), ("val", "validation")):
            values = [getattr(metrics, f"{part}_{measure}") for metrics in epochs]
            if None not in values:
                axes.plot(numbers, values, marker=".", label=label)
        axes.axvline(best_epoch, color="grey", linestyle=":", label="best epoch")
        axes.set(xlabel="epoch", ylabel=measure)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    _save(figure, path)


def draw_confusion_matrix(confusion: Indices, classes: Sequence[str], path: Path) -> None:
    """Draws which classes were taken for which, as shares of each true class (PNG).

    With at most `MOST_CLASSES_WITH_COUNTS` classes the counts stand in the cells.
    """
    size = max(4.0, 1.5 + 0.25 * len(classes))
    figure = _figure(size + 1, size)
    axes = figure.subplots()
    shares = confusion / np.maximum(1, confusion.sum(1, keepdims=True))
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ticks = range(len(classes))
    axes.set_xticks(ticks, classes, rotation=90, fontsize=8)
    axes.set_yticks(ticks, classes, fontsize=8)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set_parse_math(False)  # a class may have dollars in its name
    axes.set(xlabel="predicted class", ylabel="true class")
    if len(classes) <= MOST_CLASSES_WITH_COUNTS:
        for (row, column), count in np.ndenumerate(confusion):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=7)
    figure.colorbar(image, label="share of the true class", fraction=0.04)
    _save(figure, path)


def _figure(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure  # here, so that training does not wait for it

    return Figure(figsize=(width, height), layout="constrained")


def _save(figure: "Figure", path: Path) -> None:
    with replacing(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # it draws a box for what its font lacks
        figure.savefig(temporary, dpi=120)
