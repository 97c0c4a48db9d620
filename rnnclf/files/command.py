"""The command that starts runs, by the name that it has where the user is."""

import shlex
import sys
from pathlib import Path

from hydra_study_sweeper.paths import shown

TRAIN, SWEEP = "rnnclf train", "rnnclf sweep"
PACKAGE = Path(__file__).resolve().parents[1]


def packaged_conf() -> Path:
    """Returns the configuration that rnnclf brings along.

    In an installed package it is inside, in a clone beside it.
    """
    inside = PACKAGE / "conf"
    return inside if inside.is_dir() else PACKAGE.parent / "conf"


def as_typed_here(message: str) -> str:
    """Names in a message the command that works here in place of `python run.py`.

    That is the `run.py` that was started, or that of the clone in the current folder. Elsewhere it
    is `rnnclf train` and, with `-m`, `rnnclf sweep`. A `run.py` of somebody else is never named.
    """
    run_py = _run_py()
    if run_py is None:
        return message.replace("python run.py -m", SWEEP).replace("python run.py", TRAIN)
    place = str(shown(run_py))
    place = f"./{place}" if place.startswith("-") else place
    return message.replace("python run.py", f"python {shlex.quote(place)}")


def _run_py() -> Path | None:
    started = Path(sys.argv[0])
    if started.name == "run.py":
        return started
    here = Path.cwd() / "run.py"
    of_clone = PACKAGE.parent / "run.py"
    return here if here.is_file() and here.resolve() == of_clone else None
