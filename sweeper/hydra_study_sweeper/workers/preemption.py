"""Signals with which a cluster ends a worker, so that its trial is queued again at once."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from hydra_study_sweeper.signals import Terminated, raise_on_sigterm

WARNINGS = (signal.SIGUSR1, signal.SIGUSR2)  # of a time limit or a preemption
HEARD = (*WARNINGS, signal.SIGTERM)
UNTIL_SLURM_KILLS = 600.0  # seconds; more than the grace time of most partitions


class Preempted(BaseException):
    """The cluster takes the machine away; the cause is how the launcher wants to end its job."""


@contextlib.contextmanager
def heard() -> Iterator[None]:
    """Has SIGTERM and what a launcher does at a warning end the block at once.

    A launcher such as submitit puts its job in the queue again in a signal's handler, and ends the
    process by an exception that a trial would take for its own. Within the block it is a
    `Preempted`, and after it what it was.

    After SIGTERM the job of a Slurm array waits for its end: Slurm sends it at the beginning of a
    preempted job's grace time (`GraceTime`), and queues the job again only if that still runs when
    the time is over. Of a job that is cancelled the wait is the cluster's `KillWait`.

    Only in the main thread; elsewhere Python hears no signals.
    """
    before: dict[signal.Signals, Any] = {}
    try:
        before = {number: signal.getsignal(number) for number in HEARD}
        for number in WARNINGS:
            if callable(before[number]):
                signal.signal(number, _passing_through(before[number]))
        raise_on_sigterm()
    except ValueError:  # not the main thread
        before = {}
    try:
        with _until_slurm_kills(before):
            yield
    except Preempted as preempted:
        assert preempted.__cause__ is not None, "it was raised from what the launcher raised"
        raise preempted.__cause__ from None
    finally:
        for number, handler in before.items():
            if handler is not None:  # one that is not Python's
                signal.signal(number, handler)


@contextlib.contextmanager
def _until_slurm_kills(before: dict[signal.Signals, Any]) -> Iterator[None]:
    """Lets SIGTERM end the block, but not the process of a launcher that leaves it to Slurm."""
    try:
        yield
    except Terminated:
        hears_warnings = any(callable(before.get(number)) for number in WARNINGS)
        if hears_warnings and "SLURM_JOB_ID" in os.environ:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(UNTIL_SLURM_KILLS)
        raise


def _passing_through(
    handler: Callable[[int, FrameType | None], Any],
) -> Callable[[int, FrameType | None], None]:
    def handle(number: int, frame: FrameType | None) -> None:
        try:
            handler(number, frame)
        except BaseException as error:
            for other in HEARD:  # what comes now must not disturb the trial's return to the queue
                signal.signal(other, signal.SIG_IGN)
            raise Preempted(signal.Signals(number).name) from error

    return handle
