"""The processes that trials start, which end with them."""

import contextlib
import os
import signal

import psutil

UNTIL_KILLED = 2.0  # seconds that they have for ending by themselves


class Children:
    """The processes that this process starts from now on, and those that they start."""

    def __init__(self) -> None:
        self._before = set(_descendants(os.getpid()))

    def running(self) -> list[psutil.Process]:
        """Returns those that still run."""
        found = _descendants(os.getpid())
        return [process for process in found if process not in self._before and _runs(process)]

    def end(self) -> None:
        """Ends those that still run, and waits for their end."""
        running = self.running()
        for process in running:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
        _, alive = psutil.wait_procs(running, timeout=UNTIL_KILLED)
        _kill(alive)


def kill_family(pid: int) -> None:
    """Kills a process that leads a group, and all that it has started.

    Members of the group may outlive it, and what it has started may have left the group.
    """
    assert pid > 1, "to process 1 belong all others, and 0 means our own group"
    _kill(_descendants(pid))  # first: it may be this process
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)  # whose parent has not waited for it
    except psutil.NoSuchProcess:
        return False


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
