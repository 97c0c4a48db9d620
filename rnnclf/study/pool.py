"""Worker processes on this machine: started, watched, and started again when they are lost."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

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
    environment: Mapping[str, str]
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
        self._deaths_without_trial = 0

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
        return starting

    def _start(self, slot: _Slot) -> None:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with self._paths.worker_log(slot.number).open("ab") as log:
            slot.process = subprocess.Popen(
                COMMAND,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=environment | slot.environment,
                start_new_session=True,  # Ctrl-C reaches the parent, which decides
            )
        assert slot.process.stdin is not None, "it is a pipe"
        try:
            slot.process.stdin.write(pack(self._worker, slot.number))
            slot.process.stdin.flush()
        except BrokenPipeError:
            pass  # it died at once; looking after it will tell

    def _look_after(self, slot: _Slot) -> None:
        if slot.process is None or (code := slot.process.poll()) is None:
            return
        process, slot.process = slot.process, None
        _close(process)
        reason = f"{LOST_KIND}: process {process.pid} {_describe_exit(code)}"
        lost = self._trials.settle(lambda trial: reason if _runs(process.pid, trial) else None)
        if code != 0 and not lost:
            self._deaths_without_trial += 1
            if self._deaths_without_trial >= self._worker.spec.max_failures:
                log = self._paths.worker_log(slot.number)
                raise StudyError(f"workers end before they begin a trial: {_last_line(log)} ({log})")

    def _kill_overdue(self) -> None:
        """Kills workers whose trial goes on long after its time is up, in code that cannot hear."""
        limit = self._worker.spec.trial_timeout
        if limit is None:
            return
        now = time.time()
        for trial in self._trials.all():
            if trial.state is TrialState.RUNNING and trial.datetime_start is not None:
                seconds = now - trial.datetime_start.timestamp()
                if seconds > limit + UNTIL_KILLED:
                    self._kill_for(trial, f"TrialTimeout: killed after {seconds:.0f} s")

    def _kill_for(self, trial: FrozenTrial, reason: str) -> None:
        for slot in self._slots:
            if slot.process is not None and _runs(slot.process.pid, trial):
                slot.process.kill()
                slot.process.wait()
                number = trial.number
                self._trials.settle(lambda t: reason if t.number == number else None, retry=False)

    def _stop(self) -> None:
        """Asks the processes to end, waits a while, and settles what was running."""
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
                reason = f"{LOST_KIND}: process {process.pid} was stopped with the study"
                self._trials.settle(lambda t, pid=process.pid: reason if _runs(pid, t) else None)
                slot.process = None


def _runs(pid: int, trial: FrozenTrial) -> bool:
    worker = trial.user_attrs.get(WORKER)
    return worker is not None and worker["pid"] == pid


def _close(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None, "it is a pipe"
    try:
        process.stdin.close()
    except BrokenPipeError:
        pass


def _describe_exit(code: int) -> str:
    if code == INTERRUPTED:
        return "was interrupted"
    if code >= 0:
        return f"exited with {code}"
    memory = " (out of memory?)" if -code == signal.SIGKILL else ""
    return f"was ended by {signal.Signals(-code).name}{memory}"


def _last_line(log: os.PathLike[str]) -> str:
    with open(log, encoding="utf-8", errors="replace") as file:
        lines = [line.strip() for line in file if line.strip()]
    return lines[-1] if lines else "nothing was printed"
