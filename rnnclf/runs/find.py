"""Finds runs and studies below folders.

A folder is what its records tell: a study has `study.json` or a journal, a trial `trial.json`, a
finished run `result.json`.
"""

import gc
import os
import statistics
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from hydra_study_sweeper import StudyPaths, StudyRecord, TrialRecord, read_study, read_trial
from hydra_study_sweeper.files import RecordError, read_record
from hydra_study_sweeper.paths import trial_record

from rnnclf.errors import SelectionError
from rnnclf.files.paths import BASELINE, RunPaths
from rnnclf.files.result import RunResult
from rnnclf.runs.baselines import Baseline
from rnnclf.runs.results import Run, Study

STUDY = StudyPaths(Path())  # for the names of its files
UNFINISHED = "unfinished"
FOREIGN = "not a run of rnnclf"
DEEPEST = 100  # folders in a path; each further one makes all below it slower


@dataclass
class Found:
    """What was found below some folders.

    Attributes:
        runs: The finished runs, without those of refits.
        studies: The studies that have a record.
        unrecorded: Folders of studies that have none yet.
        baselines: The baselines by their folders.
        left_out: Folders without a finished run, with the reason; not those of pruned trials.
    """

    runs: list[Run] = field(default_factory=list)
    studies: list[Study] = field(default_factory=list)
    unrecorded: list[Path] = field(default_factory=list)
    baselines: dict[Path, Baseline] = field(default_factory=dict)
    left_out: list[tuple[Path, str]] = field(default_factory=list)

    def require_runs(self, folders: Iterable[Path]) -> list[Run]:
        """Returns the runs; raises a `SelectionError` if there are none."""
        if not self.runs:
            raise SelectionError(f"no finished run below {', '.join(map(str, folders))}")
        return self.runs


def find_runs(folders: Iterable[Path]) -> Found:
    """Reads all runs and studies at and below folders. A damaged one is left out, with a reason.

    Raises:
        SelectionError: If a folder does not exist.
    """
    finder = _Finder()
    with _no_garbage():
        for folder in folders:
            if not folder.is_dir():
                raise SelectionError(f"{folder}: no such folder in {Path.cwd()}")
            finder.walk(folder, _study_around(folder))
    return finder.found


@contextmanager
def _no_garbage() -> Iterator[None]:
    """Pauses the garbage collector, which takes a third of the time that many records take."""
    paused = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if paused:
            gc.enable()


def read_run(folder: Path) -> Run:
    """Reads the run or the trial in a folder.

    Raises:
        SelectionError: If there is no finished run.
    """
    if not folder.is_dir():
        raise SelectionError(f"{folder}: no such folder in {Path.cwd()}")
    finder = _Finder()
    finder.read(folder, _study_around(folder))
    if not finder.found.runs:
        reason = finder.found.left_out[0][1] if finder.found.left_out else "no run here"
        raise SelectionError(f"{folder}: {reason}")
    return finder.found.runs[0]


def _study_around(folder: Path) -> Study | None:
    """Returns the study of which a folder may be a trial."""
    parent = folder.resolve().parent
    try:
        return Study(parent, _read_study_of_accuracies(parent))
    except RecordError:
        return None


class _Finder:
    """Walks through folders and collects runs and studies."""

    def __init__(self) -> None:
        self.found = Found()
        self._seen: set[str] = set()

    def walk(self, folder: Path, parent: Study | None = None, *, below_study: bool = False) -> None:
        """Reads a folder and all folders below it.

        `parent` is the study around it, if that has a record; `below_study` is true even if not.
        """
        if len(folder.parts) > DEEPEST:
            self.found.left_out.append((folder, "nested too deeply"))
            return
        resolved = os.path.realpath(folder)
        if resolved in self._seen:
            return
        self._seen.add(resolved)
        try:
            with os.scandir(folder) as entries:
                names = {entry.name: _is_folder(entry) for entry in entries}
        except OSError as error:
            self.found.left_out.append((folder, f"cannot be read: {error.strerror}"))
            return
        is_study = STUDY.record.name in names or STUDY.journal.name in names
        if is_study and below_study:
            return  # a study in a study is its refit; its runs are not there to be chosen from
        if BASELINE in names:
            with self._leaving_out(folder / BASELINE):
                self.found.baselines[folder] = read_record(Baseline, folder / BASELINE)
        study = self._read_study(folder) if is_study else None
        done = () if is_study else self.read(folder, parent)
        for name in sorted(names, key=_natural):
            if names[name] and name not in done and not name.startswith("."):
                self.walk(folder / name, study, below_study=is_study)

    def read(self, folder: Path, study: Study | None) -> Collection[str]:
        """Reads the run or the trial in a folder, if any; returns the folders of a trial's runs."""
        with self._leaving_out(folder):
            if not trial_record(folder).exists():
                self.found.runs += _runs_in(folder)
                return ()
            with self._leaving_out(trial_record(folder)):
                trial = read_trial(folder)
                with self._leaving_out(folder, trial.state):
                    self._add_trial(folder, trial, study)
                return trial.runs
        return ()

    @contextmanager
    def _leaving_out(self, path: Path, state: str = "") -> Iterator[None]:
        """Leaves out what cannot be read, with the reason; pruned trials without a word."""
        try:
            yield
        except (RecordError, OSError) as error:
            if state != "pruned":
                reason = state if state in ("failed", "interrupted") else str(error)
                self.found.left_out.append((path, reason))

    def _add_trial(self, folder: Path, trial: TrialRecord, study: Study | None) -> None:
        """Adds a trial to the runs found; one of several runs is the first, with their mean."""
        runs = [run for name in trial.runs for run in _runs_in(folder / name)]
        if not runs or len(runs) < len(trial.runs):
            raise RecordError(UNFINISHED)
        refit = study.record.refit if study else None
        is_refitted = refit is not None and refit.trial == trial.number
        as_trial = replace(runs[0], study=study, refit=refit if is_refitted else None)
        if len(runs) > 1:
            # A part may have been found before, if its folder was given as well.
            of_trial = {os.path.realpath(run.folder) for run in runs}
            self._seen |= of_trial
            self.found.runs = [
                run for run in self.found.runs if os.path.realpath(run.folder) not in of_trial
            ]
            as_trial = replace(as_trial, result=_mean(runs), parts=tuple(runs))
        self.found.runs.append(as_trial)

    def _read_study(self, folder: Path) -> Study | None:
        record = StudyPaths(folder).record
        if record.exists():
            with self._leaving_out(record):
                study = Study(folder, _read_study_of_accuracies(folder))
                self.found.studies.append(study)
                return study
        self.found.unrecorded.append(folder)
        return None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link to itself


def _read_study_of_accuracies(folder: Path) -> StudyRecord:
    """Reads the record of a study.

    Raises:
        RecordError: If it is damaged, or if a value is no accuracy.
    """
    record = read_study(folder)
    values = [value for best in record.best for value in best.values]
    if record.refit:
        values += [value for seeds in record.refit.by_role.values() for value in seeds.values]
    if not all(0 <= value <= 1 for value in values):
        raise RecordError("it has values that are no accuracies")
    return record


def _runs_in(folder: Path) -> list[Run]:
    """Reads the run in a folder, if there is one.

    Raises:
        RecordError: If it has not finished, is damaged, or is of another program.
    """
    paths = RunPaths(folder)
    if paths.result.exists():
        return [Run(folder, read_record(RunResult, paths.result))]
    if paths.metrics.exists() or paths.log.exists():
        raise RecordError(UNFINISHED)
    if (folder / ".hydra").exists():
        raise RecordError(FOREIGN)
    return []


def _mean(runs: Sequence[Run]) -> RunResult:
    """Returns the result of the first of some runs, with the mean of all on validation texts."""
    means: dict[str, float | None] = {}
    for name in ("val_accuracy", "val_macro_f1", "val_loss"):
        values = [getattr(run.result, name) for run in runs]
        means[name] = None if None in values else statistics.fmean(values)
    return replace(runs[0].result, **means)  # type: ignore[arg-type]


def _natural(name: str) -> tuple[int, str]:
    """Sorts 2 before 10."""
    return (int(name), "") if name.isdecimal() else (-1, name)
