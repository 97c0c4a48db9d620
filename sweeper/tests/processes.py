"""Runs Python programs in processes that need not import Hydra and Optuna first.

Each is a real process with its own streams, folder, environment, signals and exit code, but forked
from a server that has imported the libraries, which saves two seconds of three. What depends on how
Python starts, on a terminal, on who is whose parent or on the environment of a study's workers (it
is that of the server) is tested with `subprocess`.
"""

import gc
import io
import multiprocessing
import multiprocessing.forkserver as FORKSERVER_MODULE  # noqa: N812
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Self

import psutil
import pytest

STREAMS = ("stdin", "stdout", "stderr")
FORKSERVER = multiprocessing.get_context("forkserver")
_folders = [Path(__file__).parent]
_preloaded = [
    "processes",  # with pytest, which each process would import otherwise
    *("hydra_study_sweeper.study", "hydra_study_sweeper.plugin", "numpy.random"),
    *("optuna.visualization", "hydra._internal.logging_config"),
    *("optuna.storages._rdb.storage", "alembic.command", "sqlalchemy.dialects.sqlite"),
    "hydra_plugins.hydra_optuna_sweeper.optuna_sweeper",
    "hydra_plugins.hydra_joblib_launcher.joblib_launcher",
    "hydra_plugins.hydra_submitit_launcher.submitit_launcher",
]


def preload(*modules: str, folder: Path) -> None:
    """Adds modules that the server imports, also from a folder; before it is first used."""
    _preloaded.extend(modules)
    _folders.append(folder)


class Program:
    """A program that runs; a context manager, which kills it if it has not ended by then.

    Args:
        program: The file of the program.
        arguments: Of its command line.
        cwd: The folder that it runs in; by default that of the tests.
        env: Its environment; by default that of the tests.
        input: What it finds on its standard input.
        stdin: An end of a pipe that is its standard input instead.
        stdout: An end of a pipe that is its standard output.
    """

    def __init__(
        self,
        program: Path,
        *arguments: str,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        input: str | bytes = "",
        stdin: Connection | None = None,
        stdout: Connection | None = None,
    ) -> None:
        self._command = [str(program), *arguments]
        self._folder = tempfile.TemporaryDirectory()
        self._streams = [Path(self._folder.name, name) for name in STREAMS]
        self._streams[0].write_bytes(input if isinstance(input, bytes) else input.encode("utf-8"))
        for output in self._streams[1:]:  # it may be killed before it opens them
            output.touch()
        streams = [stdin or self._streams[0], stdout or self._streams[1], self._streams[2]]
        place = (str(cwd or Path.cwd()), dict(os.environ if env is None else env), streams)
        start_server()
        key = getattr(FORKSERVER_MODULE._forkserver, "_forkserver_authkey", None)  # Python 3.14
        self._process = FORKSERVER.Process(target=_become, args=(self._command, *place, key))
        self._process.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self._process.kill()
        self._process.join()
        self._folder.cleanup()

    @property
    def pid(self) -> int:
        return self._process.pid

    def workers(self) -> list[psutil.Process]:
        """The processes that it started from the server, if no other program runs."""
        server = FORKSERVER_MODULE._forkserver._forkserver_pid
        mine = psutil.Process().children(recursive=True)  # nobody else's, whatever has died
        return [one for one in mine if one.ppid() == server and one.pid != self.pid]

    def poll(self) -> int | None:
        """Its exit code, if it has ended."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Kills it and waits for its end."""
        self._process.kill()
        self._process.join()

    def wait(self, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
        """Waits for its end, and returns what `subprocess.run` would return.

        Raises:
            TimeoutExpired: If it does not end within `timeout` seconds.
        """
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self._command, timeout)
        output, errors = (path.read_text(encoding="utf-8") for path in self._streams[1:])
        return subprocess.CompletedProcess(self._command, self._process.exitcode, output, errors)


def run_program(
    program: Path, *arguments: str, **options: object
) -> subprocess.CompletedProcess[str]:
    """Does what `subprocess.run` does for `python PROGRAM ARGUMENTS` with captured text."""
    with Program(program, *arguments, **options) as running:
        return running.wait()


def wait_until(condition: Callable[[], object], process: "Program | subprocess.Popen[str]") -> None:
    """Waits for a condition while a process runs."""
    while not condition():
        assert process.poll() is None
        time.sleep(0.02)


def stop_server() -> None:
    """Stops the server, whose environment the next one does not have."""
    FORKSERVER_MODULE._forkserver._stop()


def start_server() -> None:
    """Starts the server, unless it runs, with the folders of the tests to import from."""
    FORKSERVER.set_forkserver_preload([*_preloaded, "warm"])  # at last
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(map(str, _folders)), prepend=os.pathsep)
        FORKSERVER_MODULE.ensure_running()


def _become(
    command: list[str],
    cwd: str,
    env: dict[str, str],
    streams: list[Path | Connection],
    key: bytes | None,
) -> None:
    """Becomes the program, in a process that was just forked."""
    # What the program forks comes from this same server, as multiprocessing means it to; otherwise
    # each would start one of its own, which imports everything again.
    FORKSERVER_MODULE.ensure_running = lambda: None
    FORKSERVER_MODULE._forkserver.ensure_running = FORKSERVER_MODULE.ensure_running
    FORKSERVER_MODULE._forkserver._forkserver_authkey = key
    gc.freeze()  # the libraries need not be looked through, nor their memory copied
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    for number, (name, stream) in enumerate(zip(STREAMS, streams, strict=True)):
        if isinstance(stream, Path):
            file = os.open(stream, os.O_RDWR | os.O_CREAT | os.O_APPEND)
            os.dup2(file, number)
            os.close(file)
        else:
            os.dup2(stream.fileno(), number)
            stream.close()
        binary = open(number, "wb" if number else "rb", closefd=False)  # noqa: SIM115
        setattr(sys, name, io.TextIOWrapper(binary, encoding="utf-8", line_buffering=number == 2))
    sys.argv = command
    sys.path.insert(0, str(Path(command[0]).parent))
    runpy.run_path(command[0], run_name="__main__")
