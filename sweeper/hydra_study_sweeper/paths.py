"""The names of all files of a study; no other module has one."""

import errno
import os
import socket
from pathlib import Path

REFIT_OF = "refit-of-"  # begins the name of the folder of a refit


class StudyPaths:
    """The files of a study.

    Args:
        folder: `hydra.sweep.dir`; the trials are in folders below it, named by
            `hydra.sweep.subdir`, which is their numbers by default.

    Attributes:
        folder: `hydra.sweep.dir`.
        record: A summary of the study: a `StudyRecord`.
        best: The configuration of the best trial, or of its rival if that stayed.
        results: The best parameters and their value, as Hydra's Optuna sweeper writes them.
        multirun: The configuration of the command, as Hydra's own sweepers write it.
        trials: One line for each trial: number, state, value, steps, seconds, folder, reason of a
            failure, retried trial, parameters.
        figures: Figures of the search, a page.
        journal: Everything that happened. Optuna's tools open it, for example `optuna-dashboard
            study.journal`.
        journal_lock: A lock that is held while the journal is written.
        claim_lock: A lock that is held while a trial is claimed or settled.
        owner_lock: A lock that is held by the process that runs the study.
        presence: A folder with a file for each living worker, which the worker keeps locked.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.record = folder / "study.json"
        self.best = folder / "best.yaml"
        self.results = folder / "optimization_results.yaml"
        self.multirun = folder / "multirun.yaml"
        self.trials = folder / "trials.csv"
        self.figures = folder / "figures.html"
        self.journal = folder / "study.journal"
        self.journal_lock = folder / ".journal.lock"
        self.claim_lock = folder / ".claim.lock"
        self.owner_lock = folder / ".study.lock"
        self.presence = folder / ".living"

    def worker_log(self, number: int) -> Path:
        """The output of a worker process."""
        return self.folder / f"worker-{number}.log"

    def trial(self, number: int) -> Path:
        """The folder of a trial, unless `hydra.sweep.subdir` says otherwise."""
        return self.folder / str(number)

    def refit(self, winner: int) -> Path:
        """The folder of the refit of a winner, which is a study of its own."""
        return self.folder / f"{REFIT_OF}{winner}"

    @property
    def refits(self) -> list[Path]:
        """The folders of the refits that there are."""
        return sorted(self.folder.glob(f"{REFIT_OF}*"))


def trial_record(folder: Path) -> Path:
    """The state, values, parameters and runs of a trial: a `TrialRecord`."""
    return folder / "trial.json"


def trial_card(folder: Path) -> Path:
    """A page about the model of a trial, which the application may write; trackers get it."""
    return folder / "README.md"


def tracking_record(folder: Path, tracker: str) -> Path:
    """What a tracker has of the study or the run in a folder: a `TrackingRecord`."""
    return folder / f".tracking-{tracker}.json"


def host_lock(name: str) -> Path:
    """A file that processes of this user on this machine lock, and no others.

    It is in the user's cache folder, since each job of a cluster may have a temporary folder of its
    own.

    Raises:
        OSError: If there is no place for it.
    """
    folder = private_folder(user_cache("hydra-study-sweeper"))
    return folder / f"{socket.gethostname()}-{name}.lock"


def user_cache(name: str) -> Path:
    """Returns the folder of a program in the user's cache folder.

    Raises:
        OSError: If the user has no home folder, as in some containers.
    """
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / name
    except RuntimeError as error:
        raise OSError(errno.ENOENT, "there is no home folder; set XDG_CACHE_HOME") from error


def private_folder(folder: Path) -> Path:
    """Makes a folder in which only this user can write, if it is missing, and returns it.

    Raises:
        OSError: If it cannot be made, or others can write there and so change what is read.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.stat()
    if found.st_uid not in (0, os.geteuid()) or found.st_mode & 0o022:
        raise OSError(errno.EPERM, "others can write there", str(folder))
    return folder


def shown(folder: Path) -> Path:
    """Returns a path as short as it can be written from here."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder
