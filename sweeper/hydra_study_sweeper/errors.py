"""Errors that a user can act on; Hydra shows them in one line."""

from hydra.errors import CompactHydraException


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
    """A study cannot go on."""
