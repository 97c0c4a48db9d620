"""The progress of a run on screen: a live line on a terminal, plain lines elsewhere."""

import logging
from io import TextIOWrapper

from hydra_study_sweeper.files import not_through_links
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
from rnnclf.files.result import METRICS, Metric

console = Console(markup=False)
log = logging.getLogger(__name__)


class ConsoleHandler(logging.Handler):
    """Logs to the terminal, above the live line if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        """Prints the message without colours and without wrapping."""
        console.print(printable(self.format(record)), highlight=False, soft_wrap=True)


class LogFile(logging.FileHandler):
    """Logs to a file, but never through a link."""

    def _open(self) -> TextIOWrapper:
        # `close` closes it.
        file = open(self.baseFilename, "ab", opener=not_through_links)  # noqa: SIM115
        return TextIOWrapper(file, encoding="utf-8")


class EpochProgress(Progress):
    """A bar for the steps of an epoch, on a terminal; a context manager around all epochs.

    `what` is the kind of epoch, and `done` counts the epochs that are finished already.
    """

    def __init__(self, what: str, epochs: int, steps: int, done: int = 0) -> None:
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._what = what
        self._epochs = epochs
        self._bar = self.add_task(self.name(min(done + 1, epochs)), total=steps)

    def on_step(self, step: int) -> None:
        """Moves the bar to a step of the epoch."""
        self.update(self._bar, completed=step)

    def on_epoch(self, epoch: int, line: str) -> None:
        """Logs a line about an epoch and begins the next one."""
        log.info("%s  %s", self.name(epoch), line)
        self.update(self._bar, completed=0, description=self.name(min(epoch + 1, self._epochs)))

    def name(self, epoch: int) -> str:
        """Returns the kind, the number and the count of epochs."""
        return f"{self._what} {epoch:{len(str(self._epochs))}}/{self._epochs}"


def describe_epoch(metrics: EpochMetrics, metric: Metric, *, is_best: bool) -> str:
    """Writes the metrics of an epoch, with a star if it is the best so far."""
    line = f"train loss {metrics.train_loss:.3f} acc {metrics.train_accuracy:.4f}"
    if metrics.val_loss is not None:
        line += f"  validation loss {metrics.val_loss:.3f} acc {metrics.val_accuracy:.4f}"
        if metric != "accuracy":
            line += f" {METRICS[metric]} {metrics.validation(metric):.4f}"
        line += "*" if is_best else " "
    return f"{line}  {metrics.seconds:.1f} s"
