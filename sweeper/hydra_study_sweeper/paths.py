"""Every file name of a study, and nowhere else."""

import os
import socket
from pathlib import Path


class StudyPaths:
    """The files of a study.

    Args:
        folder: `hydra.sweep.dir`; the trials are in folders below it, named by their numbers.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.record = folder / "study.json"  # the study in short: a `StudyRecord`
        self.best = folder / "best.yaml"  # the configuration of the best trial
        self.trials = folder / "trials.csv"  # one line for each trial
        self.journal = folder / "study.journal"  # Optuna's, of everything that happened
        self.journal_lock = folder / ".journal.lock"  # held while the journal is written
        self.claim_lock = folder / ".claim.lock"  # held while a trial is claimed or settled
        self.owner_lock = folder / ".study.lock"  # held by the process that runs the study
        self.presence = folder / ".living"  # has a file that each living worker keeps locked

    def worker_log(self, number: int) -> Path:
        """What a worker process printed."""
        return self.folder / f"worker-{number}.log"

    def trial(self, number: int) -> Path:
        """The folder of a trial."""
        return self.folder / str(number)

    def refit(self, winner: int) -> Path:
        """The folder of the refit of a winner, which is a study of its own."""
        return self.folder / f"refit-of-{winner}"


def trial_record(folder: Path) -> Path:
    """What the folder of a trial is: a `TrialRecord` (JSON)."""
    return folder / "trial.json"


def host_lock(name: str) -> Path:
    """A file that processes of this user on this machine lock, and no others.

    It is in the user's cache folder, since each job of a cluster may have a temporary folder of its
    own.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(cache, "hydra-study-sweeper")
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{socket.gethostname()}-{name}.lock"
