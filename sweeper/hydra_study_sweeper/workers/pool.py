"""Worker processes on this machine, replaced when they are lost."""

import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from optuna.trial import FrozenTrial, TrialState

from hydra_study_sweeper.errors import ConfigError, StudyError
from hydra_study_sweeper.storage.heartbeat import has_pid
from hydra_study_sweeper.storage.trials import LOST_KIND, WORKER, Trials
from hydra_study_sweeper.workers.devices import thread_share
from hydra_study_sweeper.workers.parcel import pack
from hydra_study_sweeper.workers.process import INTERRUPTED, Order, Report
from hydra_study_sweeper.workers.slot import Exit, ServerGone, Slot, prepare_server
from hydra_study_sweeper.workers.worker import UNTIL_KILLED, Worker

POLL_SECONDS = 0.1


class Pool:
    """The worker processes of a command, which serve all its studies; a context manager.

    Args:
        preload: Modules that are imported once for all of them.
    """

    def __init__(self, preload: Sequence[str]) -> None:
        prepare_server(preload)
        self._slots: list[Slot] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        for slot in self._slots:
            slot.dismiss()
        for slot in self._slots:
            slot.clear()

    def run(self, worker: Worker, trials: Trials, count: int, on_poll: Callable[[], None]) -> None:
        """Has processes run the trials of a study until no more may begin.

        Args:
            worker: What each of them runs.
            trials: Of its study.
            count: How many processes at a time.
            on_poll: Is called several times a second.

        Raises:
            ConfigError: If the application does not exist in the processes.
            StudyError: If they die again and again before they have begun a trial.
            KeyboardInterrupt: On Ctrl-C, when all processes have ended.
        """
        self._slots += [Slot(number) for number in range(len(self._slots), count)]
        _Shift(self._slots[:count], worker, trials).run(on_poll)


class _Shift:
    """The processes of a pool while they run the trials of one study.

    Args:
        slots: Places for processes.
        worker: What each of them runs.
        trials: Of its study.
    """

    def __init__(self, slots: Sequence[Slot], worker: Worker, trials: Trials) -> None:
        self._slots = slots
        self._trials = trials
        self._parcel = pack(worker)
        self._bad_ends = 0  # in a row, of processes without a trial or interrupted by others
        self._running_since: dict[int, float] = {}

    def run(self, on_poll: Callable[[], None]) -> None:
        """Returns when no more trials may begin and all processes are idle."""
        try:
            while self._order_missing() or any(slot.is_busy for slot in self._slots):
                time.sleep(POLL_SECONDS)
                for slot in self._slots:
                    self._look_after(slot)
                self._kill_overdue()
                on_poll()
        except KeyboardInterrupt:
            busy = [slot for slot in self._slots if slot.is_busy]
            for slot in busy:
                slot.interrupt()
            deadline = time.monotonic() + UNTIL_KILLED
            while time.monotonic() < deadline and not all(slot.has_ended for slot in busy):
                time.sleep(POLL_SECONDS)
            raise
        finally:
            busy = [slot for slot in self._slots if slot.is_busy]
            for slot in busy:
                slot.kill()
            self._trials.settle_lost(blameless=bool(busy))

    def _order_missing(self) -> int:
        """Gives the order to idle processes while trials may begin; returns to how many."""
        if not self._trials.may_begin():
            return 0
        idle = [slot for slot in self._slots if not slot.is_busy]
        # Those that are busy and run no trial yet are going to take one.
        running = len(self._trials.in_state(TrialState.RUNNING))
        beginning = max(0, len(self._slots) - len(idle) - running)
        ordered = idle[: max(0, self._trials.remaining() - beginning)]
        for slot in ordered:
            log = self._trials.paths.worker_log(slot.number)
            try:
                slot.give(Order(self._parcel, log), thread_share(len(self._slots)))
            except ServerGone as error:
                self._count_bad_end(str(error))
        return len(ordered)

    def _look_after(self, slot: Slot) -> None:
        match slot.look():
            case Report(problem=str(problem)):
                raise ConfigError(problem)
            case Report(is_last=is_last):
                self._bad_ends = 0
                if is_last:
                    slot.clear()
            case Exit() as end:
                self._settle(end, self._trials.paths.worker_log(slot.number))

    def _settle(self, end: Exit, log: Path) -> None:
        """Settles the trial of a process that has ended in the midst of its order."""
        reason = f"{LOST_KIND}: process {end.pid} {_describe_exit(end.code)}"
        lost = self._trials.settle(lambda trial: reason if _is_of(trial, end.pid) else None)
        # It may have died before a trial had its name.
        lost += self._trials.settle_lost(children=self._processes())
        if lost and end.code != INTERRUPTED:
            self._bad_ends = 0
        elif end.code == INTERRUPTED:
            self._count_bad_end("something other than this process interrupts them")
        else:
            self._count_bad_end(f"{_last_line(log)} ({log})")

    def _count_bad_end(self, reason: str) -> None:
        self._bad_ends += 1
        if self._bad_ends >= self._trials.spec.max_failures:
            raise StudyError(f"workers end before they begin a trial: {reason}")

    def _processes(self) -> list[int]:
        return [slot.pid for slot in self._slots if slot.pid is not None]

    def _kill_overdue(self) -> None:
        """Kills workers whose trial continues long after its time is up, deaf to signals."""
        limit = self._trials.spec.trial_timeout
        if limit is None:
            return
        now = time.monotonic()  # the clock may be set meanwhile
        running = [trial.number for trial in self._trials.in_state(TrialState.RUNNING)]
        self._running_since = {n: self._running_since.get(n, now) for n in running}
        for number, since in self._running_since.items():
            if now - since > limit + UNTIL_KILLED:
                self._kill_worker_of(number, f"TrialTimeout: killed after {now - since:.0f} s")

    def _kill_worker_of(self, number: int, reason: str) -> None:
        """Kills the worker of a trial and fails that for good."""
        trial = self._trials.all()[number]
        for slot in self._slots:
            if slot.pid is not None and _is_of(trial, slot.pid):
                slot.kill()
                self._trials.settle(lambda t: reason if t.number == number else None, retry=False)
                # It may have begun the next one meanwhile.
                self._trials.settle_lost(children=self._processes())


def _is_of(trial: FrozenTrial, pid: int) -> bool:
    return has_pid(trial.user_attrs.get(WORKER), pid)


def _describe_exit(code: int) -> str:
    if code == INTERRUPTED:
        return "was interrupted"
    if code >= 0:
        return f"exited with {code}"
    memory = " (out of memory?)" if -code == signal.SIGKILL else ""
    return f"was ended by {signal.Signals(-code).name}{memory}"


def _last_line(log: Path) -> str:
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "nothing was printed"
