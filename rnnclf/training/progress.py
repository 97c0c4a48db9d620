"""What a person sees while a run goes on: a live line on a terminal, plain lines elsewhere."""

import logging
from typing import Self

from hydra_study_sweeper import announce
from hydra_study_sweeper.printable import printable
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from rnnclf.files.epochs import EpochMetrics

console = Console(markup=False)
log = logging.getLogger(__name__)


class ConsoleHandler(logging.Handler):
    """Logs to the terminal, above the live line if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        """Prints the message as it is, without colours of its own and without folding."""
        console.print(printable(self.format(record)), highlight=False, soft_wrap=True)


class _EpochsProgress:
    """A bar for the steps of an epoch; a context manager around all of them.

    Args:
        epochs: Epochs at most.
        steps: Steps in an epoch.
        done: Epochs that are finished already.
    """

    what = ""

    def __init__(self, epochs: int, steps: int, done: int = 0) -> None:
        self._epochs = epochs
        self._steps = steps
        self._live = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._live.add_task("", total=steps)
        self._begin(done + 1)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._live.stop()

    def on_step(self, step: int) -> None:
        """Moves the bar to a step of the epoch."""
        self._live.update(self._task, completed=step)

    def _begin(self, epoch: int) -> None:
        description = f"{self.what} {min(epoch, self._epochs)}/{self._epochs}"
        self._live.update(self._task, completed=0, description=description)

    def _numbered(self, epoch: int) -> str:
        return f"{self.what} {epoch:{len(str(self._epochs))}}/{self._epochs}"


class PretrainingProgress(_EpochsProgress):
    """Shows the epochs of `pretrain`."""

    what = "pretraining epoch"

    def on_epoch(self, epoch: int, loss: float) -> None:
        """Logs one line and begins the bar again."""
        log.info("%s  loss %.4f", self._numbered(epoch), loss)
        announce(f"{self._numbered(epoch)} done")
        self._begin(epoch + 1)


class TrainingProgress(_EpochsProgress):
    """Shows the epochs of a `Trainer`."""

    what = "epoch"

    def on_epoch(self, metrics: EpochMetrics, is_best: bool) -> None:
        """Logs one line and begins the bar again."""
        line = f"{self._numbered(metrics.epoch)}  train loss {metrics.train_loss:.3f} "
        line += f"acc {metrics.train_accuracy:.4f}"
        if metrics.val_loss is not None:
            star = "*" if is_best else " "
            line += f"  validation loss {metrics.val_loss:.3f} acc {metrics.val_accuracy:.4f}{star}"
        log.info("%s  %.1f s", line, metrics.seconds)
        self._begin(metrics.epoch + 1)
