"""A study of `run.py` that takes about a minute, and what its journal says."""

import json
import sys
from collections import Counter
from pathlib import Path

from foreign_study import trials_of
from hydra_study_sweeper.storage.trials import LOST, WORKER, counts
from project import RUN_PY

N_TRIALS = 12
STUDY = [
    *(sys.executable, str(RUN_PY), "-m", "sweeps=smoke", "workers=3", f"n_trials={N_TRIALS}"),
    *("pruner=none", "hydra.sweeper.refit.seeds=0", "epochs=40", "hydra.sweep.dir=study"),
]


def running(folder: Path) -> dict[int, int]:
    """Returns which trials are past their first epoch, and the process of each."""
    if not (folder / "study.journal").exists():
        return {}
    trials = [t for t in trials_of(folder) if t.state.name == "RUNNING" and t.intermediate_values]
    return {trial.number: trial.user_attrs[WORKER]["pid"] for trial in trials}


def lost_of(folder: Path) -> list[int]:
    return [trial.number for trial in trials_of(folder) if LOST in trial.user_attrs]


def check_finished(folder: Path) -> None:
    trials = trials_of(folder)
    assert Counter(t.state.name for t in trials if counts(t)) == {"COMPLETE": N_TRIALS}
    assert json.loads((folder / "study.json").read_text())["finished"]
