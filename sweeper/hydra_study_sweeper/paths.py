"""Every file name of a study, and nowhere else."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class StudyPaths:
    """The files of a study.

    Attributes:
        folder: `hydra.sweep.dir`; the trials are in folders below it, named by their numbers.
    """

    folder: Path

    @property
    def journal(self) -> Path:
        """Optuna's journal of everything that happened."""
        return self.folder / "study.journal"

    @property
    def journal_lock(self) -> Path:
        """Held while the journal is written."""
        return self.folder / ".journal.lock"

    @property
    def claim_lock(self) -> Path:
        """Held while a trial is claimed or settled."""
        return self.folder / ".claim.lock"

    @property
    def owner_lock(self) -> Path:
        """Held by the process that runs the study."""
        return self.folder / ".study.lock"

    @property
    def presence(self) -> Path:
        """Has a file that each living worker keeps locked."""
        return self.folder / ".living"

    @property
    def trials(self) -> Path:
        """One line for each trial (CSV)."""
        return self.folder / "trials.csv"

    @property
    def best(self) -> Path:
        """The configuration of the best trial, which the application accepts."""
        return self.folder / "best.yaml"

    @property
    def record(self) -> Path:
        """The study in short: a `StudyRecord` (JSON)."""
        return self.folder / "study.json"

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
