"""What a person sees while a run goes on: a live line on a terminal, plain lines elsewhere."""

import logging
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from rnnclf.fit import EpochMetrics

console = Console()
log = logging.getLogger(__name__)


class ConsoleHandler(logging.Handler):
    """Logs to the terminal, above the live line if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        """Prints the message as it is, without colours of its own and without folding."""
        console.print(self.format(record), markup=False, highlight=False, soft_wrap=True)


class TrainingProgress:
    """Shows the epochs of a run; a context manager around `fit`.

    Args:
        epochs: Epochs at most.
        steps: Steps in an epoch.
    """

    def __init__(self, epochs: int, steps: int) -> None:
        self._epochs = epochs
        self._steps = steps
        self._task: TaskID | None = None
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

    def __enter__(self) -> "TrainingProgress":
        self._live.start()
        self._task = self._live.add_task(f"epoch 1/{self._epochs}", total=self._steps)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def on_step(self, step: int) -> None:
        """Moves the bar to a step of the epoch."""
        assert self._task is not None, "entered as a context manager"
        self._live.update(self._task, completed=step)

    def on_epoch(self, metrics: EpochMetrics, is_best: bool) -> None:
        """Logs one line and begins the bar again."""
        validation = ""
        if metrics.val_loss is not None:
            star = "*" if is_best else " "
            validation = f"validation loss {metrics.val_loss:.4f} "
            validation += f"accuracy {metrics.val_accuracy:.4f}{star}  "
        log.info(
            "epoch %*d/%d  train loss %.4f accuracy %.4f  %s%.1f s  %.0f tokens/s",
            len(str(self._epochs)),
            metrics.epoch,
            self._epochs,
            metrics.train_loss,
            metrics.train_accuracy,
            validation,
            metrics.seconds,
            metrics.tokens_per_second,
        )
        assert self._task is not None, "entered as a context manager"
        coming = min(metrics.epoch + 1, self._epochs)
        self._live.update(self._task, completed=0, description=f"epoch {coming}/{self._epochs}")
