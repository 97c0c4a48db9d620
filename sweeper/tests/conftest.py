"""Fixtures: the sweep of an application that is not ours, as a real process."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from foreign_study import FOREIGN_APP
from once import make_once, shared_folder
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
def made_once(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Leaves what these programs leave, one after another, in an empty folder; returns the output.

    Only the first of all tests runs them, the others get a copy. Not for a test that has changed
    the folder.
    """
    before = []

    def made(program: Path, *arguments: str) -> str:
        before.append((program, *arguments))
        name = f"made-{hashlib.sha256(repr(before).encode()).hexdigest()[:16]}"
        folder = shared_folder(tmp_path_factory) / name
        output = folder.with_suffix(".txt")

        def run(folder: Path) -> None:
            shutil.copytree(tmp_path, folder, dirs_exist_ok=True)
            done = run_program(program, *arguments, cwd=folder)
            assert done.returncode == 0, done.stdout + done.stderr
            output.write_text(done.stdout + done.stderr)

        shutil.copytree(make_once(folder, run), tmp_path, dirs_exist_ok=True)
        return output.read_text()

    return made


@pytest.fixture
def swept(made_once: Callable[..., str]) -> Callable[..., str]:
    """Leaves what the foreign application's sweep leaves, like `made_once`."""
    return partial(made_once, FOREIGN_APP, "-m")


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
