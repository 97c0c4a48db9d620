"""A place for a worker process on this machine: started, given orders, watched, killed."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import ModuleType

from hydra_study_sweeper.workers.children import kill_family
from hydra_study_sweeper.workers.process import Order, Report, serve

UNTIL_CLOSED = 5.0  # seconds that a process without an order has for ending by itself
WARM = "hydra_study_sweeper.workers.warm"
FORKSERVER = multiprocessing.get_context("forkserver")


class ServerGone(Exception):  # noqa: N818 -- not an error of the study: there will be another one
    """The server of the processes has died; the next start has a new one."""


@dataclass(frozen=True)
class Exit:
    """The end of a process.

    Attributes:
        pid: The process.
        code: Its exit code, negative for a signal.
    """

    pid: int
    code: int


class Slot:
    """A place for a worker process, which is empty at first.

    Args:
        number: Of the worker.

    Attributes:
        number: Of the worker.
        is_busy: Whether its process carries out an order.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.is_busy = False
        self._process: BaseProcess | None = None
        self._orders: Connection | None = None

    @property
    def pid(self) -> int | None:
        """The process in it, if there is one."""
        return None if self._process is None else self._process.pid

    def give(self, order: Order, environment: dict[str, str]) -> None:
        """Gives an order to its process, which is started if there is none.

        Args:
            order: The order.
            environment: Variables for the libraries of the process.

        Raises:
            ServerGone: If no process can be started now.
        """
        if self._process is None:
            self._start(environment)
        assert self._orders is not None, "it was started"
        self.is_busy = True
        with contextlib.suppress(OSError):  # it died at once; `look` will tell
            self._orders.send(order)

    def _start(self, environment: dict[str, str]) -> None:
        _ensure_server(environment)
        ours, theirs = FORKSERVER.Pipe()
        # First: who is interrupted when the process has started must know it, or waits for its end.
        self._process = FORKSERVER.Process(target=serve, args=(theirs, self.number))
        self._orders = ours
        try:
            with _main_left_out():
                self._process.start()
        except (EOFError, OSError) as error:
            self.kill()
            raise ServerGone(f"their server is gone ({error})") from error
        finally:
            theirs.close()

    def look(self) -> Report | Exit | None:
        """Returns what has happened, if something has: its order or its process has ended."""
        if self._process is None or self._process.pid is None or self._orders is None:
            return None
        # In this order: a process that has ended by now has sent its report before.
        pid, code = self._process.pid, self._process.exitcode
        with contextlib.suppress(EOFError, OSError):
            if self._orders.poll():
                report: Report = self._orders.recv()
                self.is_busy = False
                return report
        if code is None:
            return None
        self.kill()
        return Exit(pid, code)

    def interrupt(self) -> None:
        """Asks its process to end, as Ctrl-C does."""
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGINT)

    @property
    def has_ended(self) -> bool:
        """Whether there is no process, or none that runs."""
        return self._process is None or self._process.exitcode is not None

    def dismiss(self) -> None:
        """Lets its process end when it has no order."""
        if self._orders is not None:
            self._orders.close()

    def clear(self) -> None:
        """Waits a while for the end of its process, and kills it if that does not come."""
        if self._process is not None and self._process.pid is not None:
            self._process.join(UNTIL_CLOSED)
        self.kill()

    def kill(self) -> None:
        """Ends its process, if it has not ended, and all that its trial has started."""
        self.dismiss()
        if self._process is not None and self._process.pid is not None:
            kill_family(self._process.pid)
            # Also itself: multiprocessing takes it for ended when its server was killed.
            self._process.kill()
            self._process.join()
        self._process, self.is_busy = None, False


def prepare_server(preload: Sequence[str]) -> None:
    """Says which modules the server of the processes imports, once for all of them."""
    FORKSERVER.set_forkserver_preload([serve.__module__, WARM, *preload])


def _ensure_server(environment: dict[str, str]) -> None:
    """Starts the server from which the processes are forked, if it does not run.

    Args:
        environment: Variables that its libraries read when they are imported. A server that runs
            already keeps those of its start.
    """
    before = dict(os.environ)
    os.environ.update(environment)
    in_main = threading.current_thread() is threading.main_thread()
    # The SIGTERM of a batch system and Ctrl-C go to the whole process group. The server inherits
    # that they are ignored: without the server nobody could tell how the processes end.
    handlers = {}
    try:
        for number in (signal.SIGTERM, signal.SIGINT) if in_main else ():
            handlers[number] = signal.signal(number, signal.SIG_IGN)
        forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(before)
        for number, handler in handlers.items():  # at last, because then Ctrl-C may interrupt
            signal.signal(number, handler)


@contextlib.contextmanager
def _main_left_out() -> Iterator[None]:
    """Keeps multiprocessing from importing the main module in the process that it starts.

    The process does so itself, when its output goes to its log and an error can be told in a line.
    """
    main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
