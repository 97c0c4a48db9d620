"""The process of a worker on this machine: `python -m rnnclf.study.process NUMBER`.

It gets its worker on standard input, which its parent keeps open: when the parent is gone, so is
the process.
"""

import gc
import os
import signal
import sys
import threading
from typing import BinaryIO

import cloudpickle
from hydra.core.singleton import Singleton
from hydra.core.utils import setup_globals

from rnnclf.errors import hear_sigterm
from rnnclf.study.worker import Worker

ORPHANED = 75
INTERRUPTED = 130


def pack(worker: Worker) -> bytes:
    """Packs what the processes need; by value where it is from the main script."""
    content: bytes = cloudpickle.dumps((worker, Singleton.get_state()))
    return len(content).to_bytes(8, "big") + content


def main() -> int:
    """Runs the worker that is packed in standard input.

    Returns:
        The exit code.
    """
    # A parent in the background of a script ignores SIGINT, and a child inherits that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    hear_sigterm()
    stdin = os.fdopen(os.dup(0), "rb")
    size = int.from_bytes(stdin.read(8), "big")
    worker, singletons = cloudpickle.loads(stdin.read(size))
    threading.Thread(target=_end_with_parent, args=(stdin,), daemon=True).start()
    gc.freeze()  # what is loaded by now stays; going through it again and again costs milliseconds
    setup_globals()
    Singleton.set_state(singletons)
    try:
        worker.run(int(sys.argv[1]))
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _end_with_parent(stdin: BinaryIO) -> None:
    stdin.read()
    os._exit(ORPHANED)


if __name__ == "__main__":
    sys.exit(main())
