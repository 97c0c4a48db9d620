"""Errors that a user can act on, and how they reach the user: one line and an exit code."""

import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from hydra_study_sweeper.signals import Terminated


class UserError(Exception):
    """Something outside the program is wrong; the message says what, where, and what to do.

    Attributes:
        exit_code: What the process exits with.
    """

    exit_code = 1


class ConfigError(UserError):
    """The configuration asks for something that cannot be done (a usage error)."""

    exit_code = 2


class DataError(UserError):
    """A data set is missing, damaged or malformed."""


class TrainingError(UserError):
    """Training cannot go on, for example because the loss is not finite."""


class SelectionError(UserError):
    """Runs cannot be compared or picked as asked."""


class ModelError(UserError):
    """A saved model is missing, damaged or does not fit together."""


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Turns exceptions into one line on standard error and an exit code.

    Exit codes: `UserError.exit_code` (1, or 2 for `ConfigError`), 1 for an `OSError` and where
    there is not enough memory, 130 after Ctrl-C, 143 after SIGTERM. Anything else is a defect and
    keeps its traceback (exit code 1).
    `RNNCLF_TRACEBACK=1` in the environment shows the traceback of every error.

    Raises:
        SystemExit: In place of every exception.
    """
    try:
        yield
    except Terminated as error:
        _exit(str(error), 128 + signal.SIGTERM)
    except KeyboardInterrupt as error:
        _exit(str(error) or "interrupted", 128 + signal.SIGINT)
    except UserError as error:
        _exit(str(error), error.exit_code)
    except OSError as error:
        _exit(str(error), 1)
    except (MemoryError, RuntimeError) as error:
        if not _lacks_memory(error):
            traceback.print_exc()
            raise SystemExit(1) from None
        _exit("there is not enough memory; try a smaller model, batch_size or max_length", 1)
    except Exception:
        traceback.print_exc()
        raise SystemExit(1) from None


def _lacks_memory(error: BaseException) -> bool:
    """Tells whether Python or torch could not get memory; torch has no exception for that."""
    said = str(error)
    return isinstance(error, MemoryError) or "allocate memory" in said or "out of memory" in said


def _exit(message: str, exit_code: int) -> NoReturn:
    if os.environ.get("RNNCLF_TRACEBACK") == "1":
        traceback.print_exc()
    one_line = " ".join(message.split())
    print(f"error: {one_line}", file=sys.stderr)
    raise SystemExit(exit_code) from None
