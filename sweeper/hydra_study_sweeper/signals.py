"""SIGTERM and SIGHUP as an exception, so that they end things in order as Ctrl-C does."""

import signal
from types import FrameType


class Terminated(KeyboardInterrupt):
    """SIGTERM: a cluster or a machine shuts down. Or SIGHUP: the terminal was closed."""


def raise_on_sigterm() -> None:
    """Makes SIGTERM raise `Terminated` in the main thread; SIGHUP as well, unless it is ignored."""

    def terminate(number: int, frame: FrameType | None) -> None:
        raise Terminated("terminated")

    signal.signal(signal.SIGTERM, terminate)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # which is the purpose of nohup
        signal.signal(signal.SIGHUP, terminate)
