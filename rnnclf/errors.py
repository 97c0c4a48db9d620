"""Errors that a user can act on, and how they reach the user: one line and an exit code."""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import NoReturn

from hydra_study_sweeper.printable import one_line, told
from hydra_study_sweeper.signals import Terminated
from hydra_study_sweeper.streams import end_output


class ExitCode(IntEnum):
    """How a command ended.

    An error is one line on standard error. `RNNCLF_TRACEBACK=1` in the environment adds the
    traceback. A defect of the program keeps its traceback in any case.

    Attributes:
        FINISHED: The command succeeded.
        FAILED: Something other than the command line is wrong, for example the data, the disk, the
            memory, or a loss that is not finite; or the program has a defect.
        USAGE: The command line or the configuration is wrong.
        INTERRUPTED: Ctrl-C. The same study command, or `python run.py resume=FOLDER`, continues.
        TERMINATED: SIGTERM, or the terminal was closed. The same commands continue.
    """

    FINISHED = 0
    FAILED = 1
    USAGE = 2
    INTERRUPTED = 130
    TERMINATED = 143


class UserError(Exception):
    """Something outside the program is wrong; the message tells what, where, and what to do.

    Attributes:
        exit_code: What the process exits with.
    """

    exit_code = ExitCode.FAILED


class ConfigError(UserError):
    """The configuration asks for something that cannot be done (a usage error)."""

    exit_code = ExitCode.USAGE


class DataError(UserError):
    """A data set is missing, damaged or malformed."""


class SettingError(DataError):
    """A setting with which a data file is read is missing or wrong.

    Args:
        before: What the message says before it names the setting.
        setting: `text`, `label` or `encoding`: a key of `dataset`, or an option of a command.
        after: What the message says then.
    """

    def __init__(self, before: str, setting: str, after: str) -> None:
        super().__init__(f"{before}dataset.{setting}{after}")
        self.before, self.setting, self.after = before, setting, after


class TrainingError(UserError):
    """Training cannot continue, for example because the loss is not finite."""


class SelectionError(UserError):
    """Runs cannot be compared or picked as asked."""


class ModelError(UserError):
    """A saved model is missing, damaged or does not fit together."""


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Turns exceptions into one line on standard error and an `ExitCode`.

    Raises:
        SystemExit: In place of every exception.
    """
    try:
        yield
        sys.stdout.flush()  # otherwise Python finds at its end that the disk is full
    except Terminated as error:
        _exit(str(error), ExitCode.TERMINATED)
    except KeyboardInterrupt as error:
        _exit(str(error) or "interrupted", ExitCode.INTERRUPTED)
    except UserError as error:
        _exit(str(error), error.exit_code)
    except BrokenPipeError:  # nobody reads any more, as after `| head`
        end_output()
        raise SystemExit(ExitCode.FAILED) from None
    except OSError as error:
        _exit(told(error), ExitCode.FAILED)
    except (ImportError, MemoryError, RuntimeError) as error:
        if not _lacks_memory(error):
            traceback.print_exc()
            raise SystemExit(ExitCode.FAILED) from None
        message = "there is not enough memory; try a smaller model, batch_size or max_length"
        _exit(message, ExitCode.FAILED)
    except Exception:
        traceback.print_exc()
        raise SystemExit(ExitCode.FAILED) from None


def _lacks_memory(error: BaseException) -> bool:
    """Returns whether Python, torch or a library being loaded could not get memory."""
    saying_so = ("allocate memory", "out of memory", "failed to map segment")
    return isinstance(error, MemoryError) or any(words in str(error) for words in saying_so)


def _exit(message: str, exit_code: ExitCode) -> NoReturn:
    if os.environ.get("RNNCLF_TRACEBACK") == "1":
        traceback.print_exc()
    end_output()
    print(f"error: {one_line(message)}", file=sys.stderr)
    raise SystemExit(exit_code) from None
