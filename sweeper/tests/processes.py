"""Runs Python programs in processes that need not import Hydra and Optuna first.

Each is a real process with its own streams, folder, environment and exit code, but forked from a
server that has imported the libraries and has run nothing, which saves two seconds of three. What
depends on how Python starts, or needs signals, is tested with `subprocess`.
"""

import gc
import io
import multiprocessing
import multiprocessing.forkserver as FORKSERVER_MODULE  # noqa: N812
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

STREAMS = ("stdin", "stdout", "stderr")
FORKSERVER = multiprocessing.get_context("forkserver")
_preloaded = [
    *("hydra_study_sweeper.study", "hydra_study_sweeper.plugin", "optuna.visualization"),
    "hydra_plugins.hydra_optuna_sweeper.optuna_sweeper",
    "hydra_plugins.hydra_joblib_launcher.joblib_launcher",
    "hydra_plugins.hydra_submitit_launcher.submitit_launcher",
]


def preload(*modules: str) -> None:
    """Adds modules that the server imports; before it is first used."""
    _preloaded.extend(modules)


def run_program(
    program: Path,
    *arguments: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    input: str = "",
) -> subprocess.CompletedProcess[str]:
    """Does what `subprocess.run` does for `python PROGRAM ARGUMENTS` with captured text."""
    command = [str(program), *arguments]
    with tempfile.TemporaryDirectory() as folder:
        streams = [Path(folder, name) for name in STREAMS]
        streams[0].write_text(input, encoding="utf-8")
        place = (str(cwd or Path.cwd()), dict(os.environ if env is None else env), streams)
        FORKSERVER.set_forkserver_preload(_preloaded)
        process = FORKSERVER.Process(target=_become, args=(command, *place))
        process.start()
        try:
            process.join()
        finally:
            process.kill()
        output, errors = (path.read_text(encoding="utf-8") for path in streams[1:])
    return subprocess.CompletedProcess(command, process.exitcode, output, errors)


def _become(command: list[str], cwd: str, env: dict[str, str], streams: list[Path]) -> None:
    """Becomes the program, in a process that was just forked."""
    # What the program forks comes from this same server, as multiprocessing means it to; otherwise
    # each would start one of its own, which imports everything again.
    FORKSERVER_MODULE._forkserver.ensure_running = lambda: None
    gc.freeze()  # the libraries need not be looked through, nor their memory copied
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    for number, (name, path) in enumerate(zip(STREAMS, streams, strict=True)):
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
        binary = open(number, "wb" if number else "rb", closefd=False)  # noqa: SIM115
        setattr(sys, name, io.TextIOWrapper(binary, encoding="utf-8", line_buffering=number == 2))
    sys.argv = command
    sys.path.insert(0, str(Path(command[0]).parent))
    runpy.run_path(command[0], run_name="__main__")
