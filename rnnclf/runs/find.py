"""Finds runs and studies below folders.

What a folder is, its records say: `study.json` or a journal that it is a study, `trial.json` that
it is a trial and which runs it consists of, `result.json` that it is a finished run.
"""

import os
import statistics
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hydra_study_sweeper import StudyPaths, TrialRecord, read_study, read_trial
from hydra_study_sweeper.files import RecordError
from hydra_study_sweeper.paths import trial_record

from rnnclf.errors import SelectionError
from rnnclf.files.paths import BASELINE, RunPaths
from rnnclf.files.result import RunResult, flat, read_result
from rnnclf.runs.baselines import Baseline, read_baseline
from rnnclf.runs.results import Run, Study

UNFINISHED = "unfinished"
FOREIGN = "not a run of rnnclf"


@dataclass
class Found:
    """What was found below some folders.

    Attributes:
        runs: The finished runs, without those of refits.
        studies: The studies that have a record.
        unrecorded: Folders of studies that have none yet.
        baselines: What linear classifiers achieve.
        left_out: Folders that hold no finished run, with the reason; not those of pruned trials.
    """

    runs: list[Run] = field(default_factory=list)
    studies: list[Study] = field(default_factory=list)
    unrecorded: list[Path] = field(default_factory=list)
    baselines: list[Baseline] = field(default_factory=list)
    left_out: list[tuple[Path, str]] = field(default_factory=list)


def find_runs(folders: Iterable[Path]) -> Found:
    """Reads all runs and studies at and below folders. A damaged one is left out, with a reason.

    Raises:
        SelectionError: If a folder does not exist.
    """
    finder = _Finder()
    for folder in folders:
        if not folder.is_dir():
            raise SelectionError(f"{folder}: no such folder")
        finder.walk(folder, _study_around(folder))
    return finder.found


def read_run(folder: Path) -> Run:
    """Reads the run in a folder, or the one for which the folder of a trial stands.

    Raises:
        SelectionError: If there is no finished run.
    """
    if not folder.is_dir():
        raise SelectionError(f"{folder}: no such folder")
    finder = _Finder()
    finder.read(folder, _names(folder), _study_around(folder))
    if not finder.found.runs:
        reason = finder.found.left_out[0][1] if finder.found.left_out else "no run here"
        raise SelectionError(f"{folder}: {reason}")
    return finder.found.runs[0]


def _study_around(folder: Path) -> Study | None:
    """Returns the study of which a folder may be a trial."""
    parent = folder.resolve().parent
    try:
        return Study(parent, read_study(parent))
    except RecordError:
        return None


class _Finder:
    """Walks through folders and gathers what they hold."""

    def __init__(self) -> None:
        self.found = Found()
        self._seen: set[str] = set()

    def walk(self, folder: Path, parent: Study | None = None, *, below_study: bool = False) -> None:
        """Reads a folder and what is below it.

        Args:
            folder: Which one.
            parent: The study of which it may be a trial.
            below_study: Whether it is in the folder of a study, recorded or not.
        """
        resolved = os.path.realpath(folder)
        if resolved in self._seen:
            return
        self._seen.add(resolved)
        try:
            with os.scandir(folder) as entries:
                names = {entry.name: entry.is_dir() for entry in entries}
        except OSError as error:
            self.found.left_out.append((folder, f"cannot be read: {error.strerror}"))
            return
        is_study = _is_study(names)
        if is_study and below_study:
            return  # a study in a study is its refit, whose runs leave nothing to choose
        if BASELINE in names:
            self._read_baseline(folder)
        study = self._read_study(folder, names) if is_study else None
        below: Collection[str] = [name for name, is_folder in names.items() if is_folder]
        if not is_study:
            below = set(below) - self.read(folder, names, parent)
        for name in sorted(below, key=_natural):
            if not name.startswith("."):
                self.walk(folder / name, study, below_study=is_study)

    def read(self, folder: Path, names: Collection[str], study: Study | None) -> set[str]:
        """Reads the run or the trial that a folder may be.

        Returns:
            The folders of a trial's runs, which need not be read again.
        """
        if trial_record(folder).name not in names:
            self._leave_out(folder, self._read_run(folder, names))
            return set()
        try:
            trial = read_trial(folder)
        except RecordError as error:
            self._leave_out(trial_record(folder), str(error))
            return set()
        reason = self._read_trial(folder, names, trial, study)
        if trial.state != "pruned":
            self._leave_out(folder, "failed" if reason and trial.state == "failed" else reason)
        return set(trial.runs)

    def _leave_out(self, path: Path, reason: str | None) -> None:
        if reason:
            self.found.left_out.append((path, reason))

    def _read_run(self, folder: Path, names: Collection[str]) -> str | None:
        """Adds the run in a folder to those found, or says why that holds no finished one."""
        paths = RunPaths(folder)
        if paths.result.name not in names:
            if paths.metrics.name in names or paths.log.name in names:
                return UNFINISHED
            return FOREIGN if ".hydra" in names else None
        try:
            result = read_result(folder)
        except RecordError as error:
            return str(error)
        self.found.runs.append(Run(folder, result, flat(result.config)))
        return None

    def _read_trial(
        self, folder: Path, names: Collection[str], trial: TrialRecord, study: Study | None
    ) -> str | None:
        """Adds a trial to the runs found; one of several runs is the first, with their mean."""
        parts = _Finder()
        for run in trial.runs:
            in_run = names if run == "." else _names(folder / run)
            if reason := parts._read_run(folder / run, in_run):
                return reason
        runs = parts.found.runs
        if not runs or len(runs) < len(trial.runs):
            return UNFINISHED
        refit = study.record.refit if study else None
        as_trial = replace(
            runs[0], study=study, refit=refit if refit and refit.trial == trial.number else None
        )
        if len(runs) > 1:
            # One of the parts may have been named by itself before.
            of_trial = {os.path.realpath(run.folder) for run in runs}
            self._seen |= of_trial
            self.found.runs = [
                run for run in self.found.runs if os.path.realpath(run.folder) not in of_trial
            ]
            as_trial = replace(as_trial, result=_mean(runs), parts=tuple(runs))
        self.found.runs.append(as_trial)
        return None

    def _read_study(self, folder: Path, names: Collection[str]) -> Study | None:
        if StudyPaths(folder).record.name not in names:
            self.found.unrecorded.append(folder)
            return None
        try:
            study = Study(folder, read_study(folder))
        except RecordError as error:
            self.found.left_out.append((StudyPaths(folder).record, str(error)))
            self.found.unrecorded.append(folder)
            return None
        self.found.studies.append(study)
        return study

    def _read_baseline(self, folder: Path) -> None:
        try:
            self.found.baselines.append(read_baseline(folder))
        except RecordError as error:
            self.found.left_out.append((folder / BASELINE, str(error)))


def _is_study(names: Collection[str]) -> bool:
    paths = StudyPaths(Path())
    return paths.record.name in names or paths.journal.name in names


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


def _mean(runs: Sequence[Run]) -> RunResult:
    """Returns the result of the first of some runs, with the mean of all on validation texts."""
    results = [run.result for run in runs]

    def mean(values: Sequence[float | None]) -> float | None:
        numbers = [value for value in values if value is not None]
        return statistics.fmean(numbers) if len(numbers) == len(values) else None

    return replace(
        results[0],
        val_accuracy=mean([result.val_accuracy for result in results]),
        val_macro_f1=mean([result.val_macro_f1 for result in results]),
        val_loss=mean([result.val_loss for result in results]),
    )


def _natural(name: str) -> tuple[int, str]:
    """Sorts 2 before 10."""
    return (int(name), "") if name.isdecimal() else (-1, name)
