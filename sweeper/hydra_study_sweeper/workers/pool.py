"""Worker processes on this machine: started, watched, and replaced when they are lost."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from typing import Self

from optuna.trial import FrozenTrial, TrialState

from hydra_study_sweeper.errors import StudyError
from hydra_study_sweeper.storage.trials import LOST_KIND, WORKER, Trials
from hydra_study_sweeper.workers.devices import thread_share
from hydra_study_sweeper.workers.process import INTERRUPTED, Order, pack, serve
from hydra_study_sweeper.workers.worker import UNTIL_KILLED, Worker

POLL_SECONDS = 0.1
UNTIL_CLOSED = 5.0  # seconds that idle processes have for ending by themselves


@dataclass
class _Slot:
    """A place for a worker process.

    Attributes:
        number: Of the worker.
        process: The process, if there is one.
        orders: The connection to it.
        is_busy: Whether it is running trials.
    """

    number: int
    process: BaseProcess | None = None
    orders: Connection | None = None
    is_busy: bool = False


class Pool:
    """The worker processes of a command, which serve all its studies; a context manager.

    Args:
        preload: Modules that are imported once for all of them.
    """

    def __init__(self, preload: Sequence[str]) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([serve.__module__, *preload])
        self._slots: list[_Slot] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        for slot in self._slots:
            if slot.orders is not None:
                slot.orders.close()  # which an idle process takes as the end
        deadline = time.monotonic() + UNTIL_CLOSED
        for slot in self._slots:
            if slot.process is not None:
                slot.process.join(max(0.0, deadline - time.monotonic()))
                _kill(slot)

    def run(self, worker: Worker, trials: Trials, count: int, on_poll: Callable[[], None]) -> None:
        """Has processes run the trials of a study until no more may begin.

        Args:
            worker: What each of them runs.
            trials: Of its study.
            count: How many processes at a time.
            on_poll: Is called several times a second.

        Raises:
            StudyError: If processes die again and again before they have begun a trial.
            KeyboardInterrupt: On Ctrl-C, when all processes have ended.
        """
        self._slots += [_Slot(number) for number in range(len(self._slots), count)]
        _Shift(self._context.Process, self._slots[:count], worker, trials).run(on_poll)


class _Shift:
    """The processes of a pool at one order.

    Args:
        make_process: Makes a process from a target and its arguments.
        slots: Places for processes.
        worker: What each of them runs.
        trials: Of its study.
    """

    def __init__(
        self,
        make_process: Callable[..., BaseProcess],
        slots: Sequence[_Slot],
        worker: Worker,
        trials: Trials,
    ) -> None:
        self._make_process = make_process
        self._slots = slots
        self._trials = trials
        self._packed = pack(worker)
        self._bad_ends = 0  # in a row, of processes without a trial or interrupted by others
        self._interrupted = False
        self._running_since: dict[int, float] = {}

    def run(self, on_poll: Callable[[], None]) -> None:
        """Gives the order and returns when all processes have carried it out."""
        try:
            while self._order_missing() or any(slot.is_busy for slot in self._slots):
                time.sleep(POLL_SECONDS)
                for slot in self._slots:
                    self._look_after(slot)
                self._kill_overdue()
                on_poll()
        except KeyboardInterrupt:
            self._stop()
            raise
        finally:
            for slot in self._slots:
                if slot.is_busy:
                    _kill(slot)
            self._trials.settle_lost(blameless=self._interrupted)

    def _order_missing(self) -> int:
        """Gives the order to idle processes while trials may begin; returns to how many."""
        if not self._trials.may_begin():
            return 0
        idle = [slot for slot in self._slots if not slot.is_busy]
        ordered = idle[: max(0, self._trials.remaining())]
        for slot in ordered:
            if slot.process is None and not self._start(slot):
                continue
            assert slot.orders is not None, "it was started"
            log = self._trials.paths.worker_log(slot.number)
            slot.is_busy = True
            with contextlib.suppress(OSError):  # it died at once; looking after it will tell
                slot.orders.send(Order(self._packed, log))
        return len(ordered)

    def _start(self, slot: _Slot) -> bool:
        """Starts the process of a slot, and tells whether it could."""
        _ensure_server(thread_share(len(self._slots)))
        ours, theirs = multiprocessing.Pipe()
        process = self._make_process(target=serve, args=(theirs, slot.number))
        try:
            with _main_left_out():
                process.start()
        except (
            EOFError,
            OSError,
        ) as error:  # the server died meanwhile; the next start has another
            ours.close()
            self._count_bad_end(f"their server is gone ({error})")
            return False
        finally:
            theirs.close()
        slot.process, slot.orders = process, ours
        return True

    def _look_after(self, slot: _Slot) -> None:
        if slot.process is None or slot.orders is None:
            return
        code = slot.process.exitcode
        if code is None:
            with contextlib.suppress(EOFError, OSError):  # it has just died: the next look tells
                if slot.orders.poll():
                    slot.orders.recv()
                    slot.is_busy, self._bad_ends = False, 0
            return
        pid, was_busy = slot.process.pid, slot.is_busy
        _kill(slot)
        if was_busy:
            self._settle(pid, code, self._trials.paths.worker_log(slot.number))

    def _settle(self, pid: int | None, code: int, log: Path) -> None:
        """Settles the trial of a process that has ended in the midst of its order."""
        reason = f"{LOST_KIND}: process {pid} {_describe_exit(code)}"
        lost = self._trials.settle(lambda trial: reason if _runs(pid, trial) else None)
        # It may have died before a trial had its name.
        lost += self._trials.settle_lost(children=self._children())
        if lost and code != INTERRUPTED:
            self._bad_ends = 0
            return
        if code == INTERRUPTED:
            self._count_bad_end("something other than this process interrupts them")
        else:
            self._count_bad_end(f"{_last_line(log)} ({log})")

    def _count_bad_end(self, reason: str) -> None:
        self._bad_ends += 1
        if self._bad_ends >= self._trials.spec.max_failures:
            raise StudyError(f"workers end before they begin a trial: {reason}")

    def _children(self) -> list[int]:
        return [
            slot.process.pid
            for slot in self._slots
            if slot.process is not None and slot.process.pid is not None
        ]

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
        worker = self._trials.all()[number].user_attrs.get(WORKER, {})
        for slot in self._slots:
            if slot.process is not None and slot.process.pid == worker.get("pid"):
                _kill(slot)
                self._trials.settle(
                    lambda trial: reason if trial.number == number else None, retry=False
                )
                # It may have begun the next one meanwhile.
                self._trials.settle_lost(children=self._children())

    def _stop(self) -> None:
        """Asks the processes to end and waits a while."""
        self._interrupted = True
        busy = [slot.process for slot in self._slots if slot.is_busy and slot.process]
        for process in busy:
            if process.pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGINT)
        deadline = time.monotonic() + UNTIL_KILLED
        while time.monotonic() < deadline and any(p.exitcode is None for p in busy):
            time.sleep(POLL_SECONDS)


def _kill(slot: _Slot) -> None:
    """Ends the process of a slot, if it has not ended, and all that its trial has started."""
    process, slot.process, slot.is_busy = slot.process, None, False
    if slot.orders is not None:
        slot.orders.close()
    if process is None or process.pid is None:
        return
    # The process leads a group of its own. It is killed by that as well, since multiprocessing
    # takes it for ended when it is the server that was killed.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.join()


@contextlib.contextmanager
def _main_left_out() -> Iterator[None]:
    """Keeps multiprocessing from running the main script in the process that it starts.

    Scripts that call `main()` without asking for their `__name__` would begin another study there.
    """
    main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _ensure_server(environment: dict[str, str]) -> None:
    """Starts the server from which the processes are forked, if it does not run.

    Args:
        environment: Variables that its libraries read when they are imported. A server that runs
            already keeps those of its start.
    """
    before = dict(os.environ)
    os.environ.update(environment)
    in_main = threading.current_thread() is threading.main_thread()
    # The SIGTERM of a batch system goes to the whole process group. The server inherits that it is
    # ignored: without the server nobody could tell how the processes end.
    handler = signal.signal(signal.SIGTERM, signal.SIG_IGN) if in_main else None
    try:
        forkserver.ensure_running()
    finally:
        if in_main:
            signal.signal(signal.SIGTERM, handler)
        os.environ.clear()
        os.environ.update(before)


def _runs(pid: int | None, trial: FrozenTrial) -> bool:
    worker = trial.user_attrs.get(WORKER)
    return worker is not None and worker["pid"] == pid


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
