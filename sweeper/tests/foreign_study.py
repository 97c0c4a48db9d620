"""The foreign application's study: its command, and what it leaves in its storage."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

from hydra_study_sweeper.storage.journal import read_journal
from hydra_study_sweeper.storage.trials import counts
from optuna.trial import FrozenTrial

APPLICATIONS = Path(__file__).parent / "applications"
FOREIGN_APP = APPLICATIONS / "foreign" / "app.py"
SWEEP = [sys.executable, str(FOREIGN_APP), "-m", "hydra.sweeper.workers=2"]
OUTPUT = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}


def trials_of(folder: Path) -> list[FrozenTrial]:
    return read_journal(folder).trials


def states_of(folder: Path) -> Counter[str]:
    return Counter(trial.state.name for trial in trials_of(folder) if counts(trial))
