"""What a person sees of a study: a line for each trial, and on a terminal a live table."""

import logging
import time
from collections.abc import Sequence
from datetime import datetime

from optuna.trial import FrozenTrial, TrialState
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from hydra_study_sweeper.options import NamesConf
from hydra_study_sweeper.output.messages import decimals, duration, fold, in_short
from hydra_study_sweeper.output.queue import Queue
from hydra_study_sweeper.printable import printable
from hydra_study_sweeper.reporting import CUT, DOING, STEPS
from hydra_study_sweeper.storage.trials import (
    ENDED,
    LOST,
    OVERRIDES,
    REASON,
    ROLE,
    SEED,
    Trials,
    counts,
)

log = logging.getLogger(__name__)
FIRST_TRIALS = 3  # after them, one line says how long the study will take
INDENT = " " * len("trial   0  ")  # of further lines about a trial


class StudyProgress:
    """Shows the trials of a study; a context manager around its workers.

    Args:
        trials: The trials.
        title: The title of the table.
        workers: How many trials run at a time.
        queue: The studies of the command, with this one.
        refit: How many complete trials take as long as the runs that follow.

    Attributes:
        workers: How many trials run at a time.
    """

    def __init__(
        self, trials: Trials, title: str, workers: int, queue: Queue, refit: float = 0
    ) -> None:
        self._trials = trials
        self._title = title
        self.workers = workers
        self._queue = queue
        self._refit = refit
        self._seen = {trial.number for trial in trials.in_state(*ENDED)}
        self._before = len(self._seen)
        self._is_search = trials.spec.n_trials is not None  # otherwise a refit
        console = Console(markup=False)  # a value in brackets is no markup
        self._live = Live(console=console, transient=True, refresh_per_second=2)
        self._on_terminal = console.is_terminal

    def __enter__(self) -> "StudyProgress":
        if self._on_terminal:
            self._live.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self.update()
        self._live.stop()

    def update(self) -> None:
        """Logs the trials that have ended since the last call, and redraws the table."""
        trials = self._trials.own()
        ended = [t for t in trials if t.state.is_finished() and t.number not in self._seen]
        if ended:
            best = self._trials.ranked()
            for trial in ended:
                self._seen.add(trial.number)
                self._say(describe(trial, best, self._trials.spec.names))
                if len(self._seen) - self._before == FIRST_TRIALS and self._trials.remaining():
                    self._say(self._time_left())
        if self._on_terminal:
            table = self._table(trials)
            several = len(self._queue.studies) > 1
            self._live.update(Group(self._queue.table(), table) if several else table)

    def _say(self, line: str) -> None:
        if self._on_terminal:
            console = self._live.console
            for part in fold(printable(line), INDENT, console.width):
                console.print(part, highlight=False, soft_wrap=True)
        else:
            log.info("%s", line)

    def _table(self, trials: Sequence[FrozenTrial]) -> Table:
        names = self._trials.spec.names
        table = Table(title=self._title, caption=self._caption(trials))
        running = [trial for trial in trials if trial.state is TrialState.RUNNING]
        # final runs of most applications have no validation part, and so no value before their end
        measured = any(trial.last_step is not None or not _is_final(trial) for trial in running)
        first = "trial" if self._is_search else "run"
        for column in (first, "seconds", names.step, *[names.value] * measured, "parameters"):
            table.add_column(column)
        for trial in running:
            step = trial.last_step
            value = "" if step is None else f"{trial.intermediate_values[step]:.4f}"
            table.add_row(
                str(trial.number),
                f"{_seconds(trial):.0f}",
                _place(trial),
                *[value] * measured,
                parameters(trial, names),
            )
        return table

    def _caption(self, trials: Sequence[FrozenTrial]) -> str:
        total = self._trials.total()
        counted = {s: sum(t.state is s and counts(t) for t in trials) for s in ENDED}
        done = sum(counted.values())
        parts = [
            f"{done} of {total} {'trials' if self._is_search else 'runs'}",
            *([f"{counted[TrialState.PRUNED]} pruned"] if self._is_search else []),
            f"{counted[TrialState.FAIL]} failed",
        ]
        best = self._trials.ranked()
        if best and self._is_search:
            parts.append(f"best {decimals(best[0].values)} (trial {best[0].number})")
        if done:
            parts.append(self._time_left())
        return ", ".join(parts)

    def _time_left(self) -> str:
        """Estimates the time to the end of the study and of all studies, with their refits."""
        ended = self._trials.mean_seconds(*ENDED)
        end = self._trials.end_of_trials()
        if end is not None and self._is_search:
            seconds = max(0.0, end - time.time())
            fitting = min(self._trials.remaining(), seconds * self.workers / max(ended, 0.1))
            if fitting < 1:
                return "no time is left for another trial"
            return f"{duration(seconds)} left for about {fitting:.0f} more trials"
        complete = self._trials.mean_seconds(TrialState.COMPLETE) or ended
        left = self._trials.remaining() * ended + self._refit * complete
        line = f"about {duration(left / self.workers)} left"
        if self._refit:
            line += f", with the {'refit' if self._is_search else 'final runs'}"
        if waiting := self._queue.waiting:
            left += sum(study.trials * ended + study.refit * complete for study in waiting)
            line += f", {duration(left / self.workers)} for all studies"
        return line


def describe(trial: FrozenTrial, best: Sequence[FrozenTrial], names: NamesConf) -> str:
    """Says in one line how a trial ended, with a star at the best of a search."""
    if trial.state is TrialState.COMPLETE:
        outcome = decimals(trial.values)
        if CUT in trial.user_attrs:
            outcome += ", cut short"
    elif LOST in trial.user_attrs:
        kind = trial.user_attrs[REASON].partition(": ")[2]
        outcome = f"queued again, because {kind}"
    else:
        state = "pruned" if trial.state is TrialState.PRUNED else "failed"
        outcome = f"{state} {trial.user_attrs.get(REASON, '')}"
    is_of_search = OVERRIDES not in trial.user_attrs
    star = "*" if is_of_search and best and best[0].number == trial.number else " "
    name = f"{'trial' if is_of_search else 'run':5} {trial.number:3}"
    return f"{name}  {outcome}{star} {_seconds(trial):6.1f} s  {parameters(trial, names)}"


def parameters(trial: FrozenTrial, names: NamesConf) -> str:
    """Describes a trial by its parameters, and a run of a refit by its kind, seed and metric."""
    if role := trial.user_attrs.get(ROLE):
        metric = names.final if _is_final(trial) else names.value
        return f"{role} run, seed {trial.user_attrs[SEED]}, {metric}"
    return in_short(trial.params)


def _is_final(trial: FrozenTrial) -> bool:
    return trial.user_attrs.get(ROLE) == "final"


def _place(trial: FrozenTrial) -> str:
    """Says how far a running trial has come."""
    if trial.last_step is None:
        return str(trial.user_attrs.get(DOING, ""))
    steps = trial.user_attrs.get(STEPS)
    return f"{trial.last_step} of {steps}" if steps else str(trial.last_step)


def _seconds(trial: FrozenTrial) -> float:
    if trial.datetime_start is None:
        return 0.0
    end = trial.datetime_complete or datetime.fromtimestamp(time.time())
    return (end - trial.datetime_start).total_seconds()
