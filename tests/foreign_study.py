"""The foreign application's study: its command, and what it leaves in its storage."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import optuna
from conftest import FOREIGN_APP
from hydra_study_sweeper.paths import StudyPaths
from hydra_study_sweeper.storage.locks import open_storage
from hydra_study_sweeper.storage.trials import counts
from optuna.trial import FrozenTrial

SWEEP = [sys.executable, str(FOREIGN_APP), "-m", "hydra.sweeper.workers=2"]
OUTPUT = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}


def trials_of(folder: Path, name: str = "study") -> list[FrozenTrial]:
    storage = open_storage(None, StudyPaths(folder))
    return optuna.load_study(study_name=name, storage=storage).trials


def states_of(folder: Path, name: str = "study") -> Counter[str]:
    return Counter(trial.state.name for trial in trials_of(folder, name) if counts(trial))
