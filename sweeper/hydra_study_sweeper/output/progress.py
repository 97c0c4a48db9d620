"""What a person sees of a study: a line for each trial, and on a terminal a live table."""

import logging
import statistics
import time
from collections.abc import Sequence
from datetime import datetime
from types import TracebackType

from optuna.trial import FrozenTrial, TrialState
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from hydra_study_sweeper.output.queue import Queue
from hydra_study_sweeper.storage.trials import LOST, OVERRIDES, REASON, Trials, counts

log = logging.getLogger(__name__)
ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


class StudyProgress:
    """Shows the trials of a study; a context manager around its workers.

    Args:
        trials: The trials.
        title: What is done, above the table.
        workers: How many trials run at a time.
        queue: This study among those of the command.

    Attributes:
        workers: How many trials run at a time.
    """

    def __init__(self, trials: Trials, title: str, workers: int, queue: Queue) -> None:
        self._trials = trials
        self._title = title
        self.workers = workers
        self._queue = queue
        self._seen = {trial.number for trial in trials.in_state(*ENDED)}
        console = Console()
        self._live = Live(console=console, transient=True, refresh_per_second=2)
        self._on_terminal = console.is_terminal

    def __enter__(self) -> "StudyProgress":
        if self._on_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.update()
        self._live.stop()

    def update(self) -> None:
        """Logs the trials that ended since the last time and brings the table up to date."""
        trials = self._trials.all()
        for trial in trials:
            if trial.state.is_finished() and trial.number not in self._seen:
                self._seen.add(trial.number)
                self._say(describe(trial, self._trials.ranked()))
        if self._on_terminal:
            table = self._table(trials)
            several = len(self._queue.studies) > 1
            self._live.update(Group(self._queue.table(), table) if several else table)

    def _say(self, line: str) -> None:
        if self._on_terminal:
            self._live.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            log.info("%s", line)

    def _table(self, trials: Sequence[FrozenTrial]) -> Table:
        table = Table(title=self._title, caption=self._caption(trials))
        for column in ("trial", "seconds", "step", "value", "parameters"):
            table.add_column(column)
        for trial in trials:
            if trial.state is TrialState.RUNNING:
                step = trial.last_step
                value = "" if step is None else f"{trial.intermediate_values[step]:.4f}"
                table.add_row(
                    str(trial.number),
                    f"{_seconds(trial):.0f}",
                    "" if step is None else str(step),
                    value,
                    parameters(trial),
                )
        return table

    def _caption(self, trials: Sequence[FrozenTrial]) -> str:
        total = self._trials.total()
        counted = {s: sum(t.state is s and counts(t) for t in trials) for s in ENDED}
        done = sum(counted.values())
        parts = [
            f"{done} of {total} trials",
            f"{counted[TrialState.PRUNED]} pruned",
            f"{counted[TrialState.FAIL]} failed",
        ]
        best = self._trials.ranked()
        if best:
            parts.append(f"best {_values(best[0])} (trial {best[0].number})")
        if done:
            mean = statistics.fmean(_seconds(t) for t in trials if t.state in ENDED)
            each = mean / self.workers
            parts.append(f"about {_duration(each * (total - done))} left")
            if waiting := self._queue.waiting_trials:
                in_all = each * (total - done + waiting)
                parts.append(f"{_duration(in_all)} for all studies")
        return ", ".join(parts)


def describe(trial: FrozenTrial, best: Sequence[FrozenTrial]) -> str:
    """Says in one line how a trial ended, with a star at the best of a search."""
    what = {TrialState.COMPLETE: "", TrialState.PRUNED: "pruned ", TrialState.FAIL: "failed "}
    outcome = (
        _values(trial)
        if trial.state is TrialState.COMPLETE
        else what[trial.state] + str(trial.user_attrs.get(REASON, ""))
    )
    searched = OVERRIDES not in trial.user_attrs  # which the trials of a refit have
    star = "*" if searched and best and best[0].number == trial.number else " "
    if LOST in trial.user_attrs:
        outcome += " (queued again)"
    return f"trial {trial.number:3}  {outcome}{star} {_seconds(trial):6.1f} s  {parameters(trial)}"


def parameters(trial: FrozenTrial) -> str:
    """Writes what a trial sets as on a command line, numbers in short."""
    shown = (f"{v:.4g}" if isinstance(v, float) else str(v) for v in trial.params.values())
    chosen = [f"{k}={v}" for k, v in zip(trial.params, shown, strict=True)]
    return " ".join([*chosen, *trial.user_attrs.get(OVERRIDES, [])])


def _values(trial: FrozenTrial) -> str:
    return " ".join(f"{value:.4f}" for value in trial.values)


def _seconds(trial: FrozenTrial) -> float:
    if trial.datetime_start is None:
        return 0.0
    end = trial.datetime_complete or datetime.fromtimestamp(time.time())
    return (end - trial.datetime_start).total_seconds()


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours} h {minutes} min"
        if hours
        else f"{minutes} min {rest} s"
        if minutes
        else f"{rest} s"
    )
