"""The process of a worker: one on this machine, or that of a launcher's job.

A process on this machine is forked from a server that has imported the libraries, so that it starts
in milliseconds. It lives as long as the command and takes one order after the other: a worker for
each search, and for each part of a refit.
"""

import gc
import multiprocessing
import os
import signal
import sys
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from hydra_study_sweeper.errors import ConfigError
from hydra_study_sweeper.signals import raise_on_sigterm
from hydra_study_sweeper.streams import to_null
from hydra_study_sweeper.workers import preemption
from hydra_study_sweeper.workers.children import Children, kill_family
from hydra_study_sweeper.workers.parcel import Parcel

INTERRUPTED = 130


@dataclass(frozen=True)
class Order:
    """What a process is to do.

    Attributes:
        parcel: The worker.
        log: The file for what it prints.
    """

    parcel: Parcel
    log: Path


@dataclass(frozen=True)
class Report:
    """How an order ended.

    Attributes:
        problem: Why it could not be carried out.
        is_last: Whether the process ends, with what its trials have started and left behind.
    """

    problem: str | None
    is_last: bool


def serve(orders: Connection, number: int) -> None:
    """Carries out orders until the other end of the connection is closed.

    Args:
        orders: Brings an `Order` at a time, and takes a `Report` for each.
        number: Of the worker among those of the command.
    """
    os.setsid()  # Ctrl-C reaches the parent alone, which decides
    # A parent in the background of a script ignores SIGINT, and a child inherits that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    raise_on_sigterm()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    gc.freeze()  # what is loaded by now stays; going through it again and again costs milliseconds
    to_null(0)  # trials read nothing
    children = Children()
    try:
        is_last = False
        while not is_last:
            order: Order = orders.recv()
            _print_to(order.log)
            problem = _carry_out(order, number)
            is_last = bool(children.running())
            orders.send(Report(problem, is_last))
    except EOFError:
        pass
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    finally:
        children.end()


def _carry_out(order: Order, number: int) -> str | None:
    try:
        worker = order.parcel.unpack()
    except ConfigError as error:
        return str(error)
    worker.run(number)
    return None


@dataclass(frozen=True)
class Job:
    """The task function that launchers get in place of the application's own.

    Attributes:
        parcel: The worker.
        cwd: Where the command was given; relative paths in a configuration start there.
    """

    parcel: Parcel
    cwd: Path

    def __call__(self, config: DictConfig | None = None) -> None:
        """Runs trials until there are none left.

        Args:
            config: What a launcher hands to its jobs; nothing of it is needed.
        """
        number = HydraConfig.get().job.num
        os.chdir(self.cwd)  # Ray's tasks begin elsewhere
        with ExitStack() as stack:
            stack.enter_context(preemption.heard())
            if self.parcel.has_arrived:  # not for a launcher that runs its jobs in the command
                to_null(0)
                stack.callback(Children().end)
            self.parcel.unpack().run(number, in_job=True)


def _print_to(log: Path) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "this is a child process"
    parent.join()
    kill_family(os.getpid())
