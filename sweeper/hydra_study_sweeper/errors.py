"""Errors that a user can act on; Hydra shows them in one line."""

from hydra.errors import CompactHydraException

from hydra_study_sweeper.printable import one_line


class SweeperError(CompactHydraException):
    """Something outside the sweeper is wrong; the message says what, where, and what to do.

    Attributes:
        exit_code: What a process that ends because of it should exit with.
    """

    exit_code = 1


class ConfigError(SweeperError):
    """The configuration asks for something that cannot be done (a usage error)."""

    exit_code = 2


class StudyError(SweeperError):
    """A study cannot continue."""


def describe_error(error: BaseException) -> str:
    """Says in one line what kind of error it is, and its message."""
    if isinstance(error, SystemExit):
        return f"SystemExit: the task exited with {error.code}"
    try:
        message = str(error)
    except Exception:  # of whatever kind: the error is the application's own
        message = "its message cannot be read"
    return f"{type(error).__name__}: {one_line(message)}"
