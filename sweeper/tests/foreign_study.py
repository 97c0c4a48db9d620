"""The foreign application's study: its command, and what it leaves in its storage."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

from hydra_study_sweeper.storage.journal import read_journal
from hydra_study_sweeper.storage.trials import LOSSES, LOST, RETRY_OF, counts
from optuna.trial import FrozenTrial, TrialState

APPLICATIONS = Path(__file__).parent / "applications"
FOREIGN_APP = APPLICATIONS / "foreign" / "app.py"
SWEEP = [sys.executable, str(FOREIGN_APP), "-m", "hydra.sweeper.workers=2"]
OUTPUT = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
# Studies that several tests begin from:
SIX = ("hydra.sweeper.n_trials=6", "hydra.sweeper.sampler.seed=1")
EARLIER = ("hydra.sweep.dir=earlier", *SIX)
IN_A_DATABASE = ("hydra.sweeper.storage=sqlite:///studies.db", "hydra.sweeper.study_name=mine")


def trials_of(folder: Path) -> list[FrozenTrial]:
    return read_journal(folder).trials


def states_of(folder: Path) -> Counter[str]:
    return Counter(trial.state.name for trial in trials_of(folder) if counts(trial))


def check_promises(folder: Path, n_trials: int) -> None:
    """Checks that no trial of a search was lost, counted twice or told wrongly."""
    trials = trials_of(folder / "study")
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert all(trial.state in (TrialState.COMPLETE, TrialState.FAIL) for trial in trials)
    assert sum(counts(trial) for trial in trials) == n_trials, "the number of trials is exact"
    retried = {trial.user_attrs[RETRY_OF] for trial in trials if RETRY_OF in trial.user_attrs}
    lost = {trial.number for trial in trials if LOST in trial.user_attrs}
    assert retried == lost, "each lost trial is queued again, once"
    for trial in trials:
        if trial.state is TrialState.FAIL:
            reason = trial.user_attrs["reason"]
            assert reason.startswith(("WorkerLost: ", "Interrupted: ")), reason
            assert trial.number in lost or trial.user_attrs[LOSSES] == 1
        else:
            assert trial.values == [trial.params["x"]]
            config = folder / "study" / str(trial.number) / ".hydra" / "config.yaml"
            assert f"x: {trial.params['x']}" in config.read_text()
    points = [
        trial.params["x"] for trial in trials if RETRY_OF not in trial.user_attrs and trial.params
    ]
    assert len(set(points)) == len(points), "no point is tried twice but for lost ones"
