"""The process of a worker on this machine.

It is forked from a server that has imported the libraries, so that a worker starts in milliseconds.
It lives as long as the command and takes one order after the other: a worker for each search, and
for each part of a refit.
"""

import gc
import multiprocessing
import os
import signal
import sys
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import cloudpickle
from hydra.core.singleton import Singleton
from hydra.core.utils import setup_globals

from hydra_study_sweeper.signals import raise_on_sigterm
from hydra_study_sweeper.workers.worker import Worker

INTERRUPTED = 130


@dataclass(frozen=True)
class Order:
    """What a process is to do.

    Attributes:
        packed: A worker; see `pack`.
        log: The file for what it prints.
    """

    packed: bytes
    log: Path


def pack(worker: Worker) -> bytes:
    """Packs what the processes need; by value where it is from the main script."""
    content: bytes = cloudpickle.dumps((worker, Singleton.get_state()))
    return content


def serve(orders: Connection, number: int) -> None:
    """Runs the workers that are ordered, until the other end of the connection is closed.

    Args:
        orders: Brings an `Order` at a time; answered by the number of trials that were run.
        number: Of the worker among those of the command.
    """
    os.setsid()  # Ctrl-C reaches the parent alone, which decides
    # A parent in the background of a script ignores SIGINT, and a child inherits that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    raise_on_sigterm()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    gc.freeze()  # what is loaded by now stays; going through it again and again costs milliseconds
    _replace(0, os.open(os.devnull, os.O_RDONLY))
    while True:
        try:
            order: Order = orders.recv()
        except EOFError:
            return
        _print_to(order.log)
        try:
            ran = _run(order.packed, number)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        orders.send(ran)


def _run(packed: bytes, number: int) -> int:
    worker, singletons = cloudpickle.loads(packed)
    setup_globals()
    Singleton.set_state(singletons)
    ran: int = worker.run(number)
    return ran


def _print_to(log: Path) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(file, 1)
    _replace(2, file)


def _replace(number: int, file: int) -> None:
    os.dup2(file, number)
    os.close(file)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "this is a child process"
    parent.join()
    os.killpg(0, signal.SIGKILL)  # itself, and all that its trial has started
