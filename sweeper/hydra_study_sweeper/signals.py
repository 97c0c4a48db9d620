"""SIGTERM as an exception, so that it ends things in order as Ctrl-C does."""

import signal
from types import FrameType


class Terminated(KeyboardInterrupt):
    """SIGTERM: the warning of a cluster, or of a machine that shuts down."""


def raise_on_sigterm() -> None:
    """Makes SIGTERM raise `Terminated` in the main thread."""

    def terminate(number: int, frame: FrameType | None) -> None:
        raise Terminated("terminated")

    signal.signal(signal.SIGTERM, terminate)
