"""Worker processes on this machine: started, watched, and started again when they are lost."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from optuna.trial import FrozenTrial, TrialState

from rnnclf.errors import StudyError
from rnnclf.study.paths import StudyPaths
from rnnclf.study.process import INTERRUPTED, pack
from rnnclf.study.trials import LOST_KIND, WORKER, Trials
from rnnclf.study.worker import UNTIL_KILLED, Worker

POLL_SECONDS = 0.1
COMMAND = (sys.executable, "-m", "rnnclf.study.process")


@dataclass
class _Slot:
    """A place for a worker process."""

    number: int
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None


class Pool:
    """Runs a worker in several processes until the study has all its trials.

    Args:
        worker: What each of them runs.
        environments: Environment variables of each process beside those of this one.
        on_poll: Is called several times a second.
    """

    def __init__(
        self,
        worker: Worker,
        environments: list[dict[str, str]],
        on_poll: Callable[[], None],
    ) -> None:
        self._worker = worker
        self._slots = [_Slot(number, extra) for number, extra in enumerate(environments)]
        self._on_poll = on_poll
        self._trials = Trials(worker.spec)
        self._paths = StudyPaths(worker.spec.folder)
        self._packed = pack(worker)
        self._bad_ends = 0  # in a row, of processes without a trial or interrupted by others
        self._interrupted = False
        self._running_since: dict[int, float] = {}

    def run(self) -> None:
        """Starts the processes and returns when all of them have ended well.

        Raises:
            StudyError: If processes die again and again before they have begun a trial.
            KeyboardInterrupt: On Ctrl-C, when all processes have ended.
        """
        try:
            while self._start_missing() or any(slot.process for slot in self._slots):
                time.sleep(POLL_SECONDS)
                for slot in self._slots:
                    self._look_after(slot)
                self._kill_overdue()
                self._on_poll()
        except KeyboardInterrupt:
            self._stop()
            raise
        finally:
            self._kill_all()

    def _start_missing(self) -> int:
        """Starts processes while there are more trials to begin than idle ones; says how many."""
        spec = self._worker.spec
        if self._trials.stopped or (spec.deadline is not None and time.time() > spec.deadline):
            return 0
        idle = [slot for slot in self._slots if slot.process is None]
        starting = min(len(idle), max(0, self._trials.remaining()))
        for slot in idle[:starting]:
            self._start(slot)
        for slot in idle[:starting]:  # a pipe holds less; it fills until the process reads
            self._hand_over_worker(slot)
        return starting

    def _start(self, slot: _Slot) -> None:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with self._paths.worker_log(slot.number).open("ab") as log:
            slot.process = subprocess.Popen(
                [*COMMAND, str(slot.number)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=environment | slot.environment,
                start_new_session=True,  # Ctrl-C reaches the parent, which decides
            )

    def _hand_over_worker(self, slot: _Slot) -> None:
        assert slot.process is not None and slot.process.stdin is not None, "it was started"
        with contextlib.suppress(BrokenPipeError):  # it died at once; looking after it will tell
            slot.process.stdin.write(self._packed)
            slot.process.stdin.flush()

    def _look_after(self, slot: _Slot) -> None:
        if slot.process is None or (code := slot.process.poll()) is None:
            return
        process, slot.process = slot.process, None
        _close(process)
        reason = f"{LOST_KIND}: process {process.pid} {_describe_exit(code)}"
        lost = self._trials.settle(lambda trial: reason if _runs(process.pid, trial) else None)
        # It may have died before a trial had its name.
        lost += self._trials.settle_lost(children=self._children())
        if code == 0 or (lost and code != INTERRUPTED):
            self._bad_ends = 0
            return
        self._bad_ends += 1
        if self._bad_ends >= self._worker.spec.max_failures:
            log = self._paths.worker_log(slot.number)
            if code == INTERRUPTED:
                raise StudyError("workers are interrupted, but not by this process")
            raise StudyError(f"workers end before they begin a trial: {_last_line(log)} ({log})")

    def _children(self) -> list[int]:
        return [slot.process.pid for slot in self._slots if slot.process is not None]

    def _kill_overdue(self) -> None:
        """Kills workers whose trial goes on long after its time is up, in code that cannot hear."""
        limit = self._worker.spec.trial_timeout
        if limit is None:
            return
        now = time.monotonic()  # the clock may be set meanwhile
        running = [t.number for t in self._trials.all() if t.state is TrialState.RUNNING]
        self._running_since = {n: self._running_since.get(n, now) for n in running}
        for number, since in self._running_since.items():
            if now - since > limit + UNTIL_KILLED:
                self._kill(number, f"TrialTimeout: killed after {now - since:.0f} s")

    def _kill(self, trial_number: int, reason: str) -> None:
        """Kills the worker of a trial and fails that for good."""
        worker = self._trials.all()[trial_number].user_attrs.get(WORKER, {})
        for slot in self._slots:
            if slot.process is not None and slot.process.pid == worker.get("pid"):
                slot.process.kill()
                slot.process.wait()
                _close(slot.process)
                slot.process = None
                self._trials.settle(
                    lambda trial: reason if trial.number == trial_number else None, retry=False
                )
                # It may have gone on to the next meanwhile.
                self._trials.settle_lost(children=self._children())

    def _stop(self) -> None:
        """Asks the processes to end and waits a while."""
        self._interrupted = True
        running = [slot.process for slot in self._slots if slot.process is not None]
        for process in running:
            process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + UNTIL_KILLED
        while time.monotonic() < deadline and any(p.poll() is None for p in running):
            time.sleep(POLL_SECONDS)

    def _kill_all(self) -> None:
        for slot in self._slots:
            process = slot.process
            if process is not None:
                process.kill()
                process.wait()
                _close(process)
                slot.process = None
        self._trials.settle_lost(blameless=self._interrupted)


def _runs(pid: int, trial: FrozenTrial) -> bool:
    worker = trial.user_attrs.get(WORKER)
    return worker is not None and worker["pid"] == pid


def _close(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None, "it is a pipe"
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()


def _describe_exit(code: int) -> str:
    if code == INTERRUPTED:
        return "was interrupted"
    if code >= 0:
        return f"exited with {code}"
    memory = " (out of memory?)" if -code == signal.SIGKILL else ""
    return f"was ended by {signal.Signals(-code).name}{memory}"


def _last_line(log: Path) -> str:
    text = log.read_text(encoding="utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "nothing was printed"
