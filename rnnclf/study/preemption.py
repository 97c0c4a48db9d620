"""Signals with which a cluster ends a worker, so that its trial is queued again at once."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from rnnclf.errors import hear_sigterm

WARNINGS = (signal.SIGUSR1, signal.SIGUSR2)  # of a time limit or a preemption
HEARD = (*WARNINGS, signal.SIGTERM)


class Preempted(BaseException):
    """The cluster takes the machine away; the cause is how the launcher wants to end its job."""


@contextlib.contextmanager
def heard() -> Iterator[None]:
    """Has SIGTERM and what a launcher does at a warning end the block at once.

    A launcher such as submitit puts its job in the queue again in a signal's handler, and ends the
    process by an exception that a trial would take for its own. Within the block it is a
    `Preempted`, and after it what it was.

    Only in the main thread; elsewhere Python hears no signals.
    """
    before: dict[signal.Signals, Any] = {}
    try:
        before = {number: signal.getsignal(number) for number in HEARD}
        for number in WARNINGS:
            if callable(before[number]):
                signal.signal(number, _passing_through(before[number]))
        hear_sigterm()
    except ValueError:  # not the main thread
        before = {}
    try:
        yield
    except Preempted as preempted:
        assert preempted.__cause__ is not None, "it was raised from what the launcher raised"
        raise preempted.__cause__ from None
    finally:
        for number, handler in before.items():
            if handler is not None:  # one that is not Python's
                signal.signal(number, handler)


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
