"""Fixtures: the sweep of an application that is not ours, as a real process."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from foreign_study import FOREIGN_APP
from processes import Program, run_program


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Locks of this machine are in a folder of the tests."""
    os.environ.setdefault("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def sweep(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the foreign application's sweep in an empty folder."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        done = run_program(FOREIGN_APP, "-m", *arguments, cwd=tmp_path)
        done.stdout += done.stderr
        return done

    return run


@pytest.fixture
def start_sweep(start_program: Callable[..., Program]) -> Callable[..., Program]:
    """Starts its sweep there, with two workers."""
    return lambda *arguments: start_program(
        FOREIGN_APP, "-m", "hydra.sweeper.workers=2", *arguments
    )


@pytest.fixture
def start_program(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Starts programs there; what still runs after the test is killed."""
    with ExitStack() as running:
        yield lambda *command: running.enter_context(Program(*command, cwd=tmp_path))
