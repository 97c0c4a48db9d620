"""Finds runs and studies below folders and reads what they say of themselves."""

import os
import re
import statistics
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rnnclf.errors import SelectionError
from rnnclf.paths import BASELINE, RunPaths
from rnnclf.select.baselines import Baseline, read_baseline
from rnnclf.select.records import (
    FOREIGN,
    RecordError,
    read_result,
    read_summary,
    read_trial_states,
)
from rnnclf.select.runs import Run, Study
from rnnclf.study.paths import StudyPaths

REFIT_FOLDER = re.compile(r"refit-of-(\d+)")
HYDRA_FOLDER = ".hydra"
ON_VALIDATION = ("val_accuracy", "val_macro_f1", "val_loss")
UNFINISHED = "unfinished, pruned or failed"
PARTS_OF_A_TRIAL = "parts of a trial, but its study has no study.json that says so"


@dataclass
class Found:
    """What was found below some folders.

    Attributes:
        runs: The finished runs, without those that only train a winner again.
        studies: The studies.
        baselines: What linear classifiers achieve.
        left_out: Folders that hold no finished run, with the reason; not those of pruned trials.
    """

    runs: list[Run] = field(default_factory=list)
    studies: list[Study] = field(default_factory=list)
    baselines: list[Baseline] = field(default_factory=list)
    left_out: list[tuple[Path, str]] = field(default_factory=list)


def find_runs(folders: Iterable[Path]) -> Found:
    """Reads all runs and studies at and below folders. A damaged one is left out, with a reason.

    Raises:
        SelectionError: If a folder does not exist.
    """
    found = Found()
    seen: set[str] = set()
    for folder in folders:
        if not folder.is_dir():
            raise SelectionError(f"{folder}: no such folder")
        study, states = _study_around(folder)
        _walk(folder, study, states, found, seen)
    return found


def _study_around(folder: Path) -> tuple[Study | None, Mapping[str, str]]:
    """Returns the study of which a folder may be a trial, and the states of its trials."""
    parent = folder.resolve().parent
    try:
        names = [entry.name for entry in parent.iterdir()]
    except OSError:
        return None, {}
    return _read_study(parent, names, Found()) if _is_study(names) else (None, {})


def read_run(folder: Path) -> Run:
    """Reads the run in a folder.

    Raises:
        SelectionError: If there is no finished run.
    """
    found = Found()
    if not folder.is_dir():
        raise SelectionError(f"{folder}: no such folder")
    study, states = _study_around(folder)
    if study and study.is_repeated(folder):
        _read_repeats(folder, study, states, found, set())
        reason = found.left_out[0][1] if found.left_out else None
    else:
        reason = _read_run(folder, [entry.name for entry in folder.iterdir()], study, found)
    if not found.runs:
        raise SelectionError(f"{folder}: {reason or 'no run here'}")
    return found.runs[0]


def _walk(
    folder: Path, parent: Study | None, states: Mapping[str, str], found: Found, seen: set[str]
) -> None:
    """Reads a folder and what is below it.

    Args:
        folder: Which one.
        parent: The study of which it may be a trial.
        states: The states of that study's trials, as `trials.csv` spells them, by their folders.
        found: Where to put what is found.
        seen: The folders that were read already.
    """
    resolved = os.path.realpath(folder)
    if resolved in seen:
        return
    seen.add(resolved)
    try:
        with os.scandir(folder) as entries:
            names = {entry.name: entry.is_dir() for entry in entries}
    except OSError as error:
        found.left_out.append((folder, f"cannot be read: {error.strerror}"))
        return
    if BASELINE in names:
        _read_baseline(folder, found)
    study: Study | None = None
    states_of_trials: Mapping[str, str] = {}
    is_study = _is_study(names)
    if is_study:
        study, states_of_trials = _read_study(folder, names, found)
    elif parent and parent.is_repeated(folder):
        _read_repeats(folder, parent, states, found, seen)
        return
    elif reason := _read_run(folder, names, parent, found):
        _leave_out(folder, states.get(folder.name), reason, found)
    for name in sorted((name for name, is_folder in names.items() if is_folder), key=_natural):
        if name.startswith(".") or (is_study and REFIT_FOLDER.fullmatch(name)):
            continue
        if is_study and study is None and _has_parts(folder / name):
            found.left_out.append((folder / name, PARTS_OF_A_TRIAL))
        else:
            _walk(folder / name, study, states_of_trials, found, seen)


def _leave_out(folder: Path, state: str | None, reason: str, found: Found) -> None:
    if state != "PRUNED":
        found.left_out.append((folder, "failed" if state == "FAIL" else reason))


def _read_baseline(folder: Path, found: Found) -> None:
    try:
        found.baselines.append(read_baseline(folder))
    except SelectionError as error:
        found.left_out.append((folder / BASELINE, str(error)))


def _is_study(names: Container[str]) -> bool:
    paths = StudyPaths(Path())
    return paths.summary.name in names or paths.journal.name in names


def _read_study(
    folder: Path, names: Container[str], found: Found
) -> tuple[Study | None, Mapping[str, str]]:
    """Returns a study, if it has ended once, and the states of its trials by their folders."""
    paths = StudyPaths(folder)
    states = read_trial_states(paths.trials) if paths.trials.name in names else {}
    if paths.summary.name not in names:
        return None, states
    try:
        summary = read_summary(paths.summary)
    except RecordError as error:
        found.left_out.append((paths.summary, str(error)))
        return None, states
    study = Study(folder, summary)
    found.studies.append(study)
    return study, states


def _read_run(
    folder: Path, names: Collection[str], study: Study | None, found: Found
) -> str | None:
    """Adds the run in a folder to those found, or says why that holds no finished one."""
    paths = RunPaths(folder)
    if paths.result.name not in names:
        if paths.metrics.name in names or {HYDRA_FOLDER, paths.log.name} <= set(names):
            return UNFINISHED
        return FOREIGN if HYDRA_FOLDER in names else None
    try:
        result, config = read_result(paths)
    except RecordError as error:
        return str(error)
    found.runs.append(Run(folder, result, config, study, _refit_of(folder, study)))
    return None


def _read_repeats(
    folder: Path, study: Study, states: Mapping[str, str], found: Found, seen: set[str]
) -> None:
    """Adds the runs of a trial as one: the first, with their mean on validation texts."""
    parts, seen_parts = Found(), set[str]()
    for repeat in range(study.repeats):
        if not (folder / str(repeat)).is_dir():
            break
        _walk(folder / str(repeat), None, {}, parts, seen_parts)
    listed_before = seen & seen_parts
    seen |= seen_parts
    if len(parts.runs) == study.repeats:
        results = [run.result for run in parts.runs]
        means = {key: _mean([result[key] for result in results]) for key in ON_VALIDATION}
        if listed_before:
            found.runs = [r for r in found.runs if os.path.realpath(r.folder) not in listed_before]
        found.runs.append(
            replace(
                parts.runs[0],
                result={**results[0], **means},
                study=study,
                refit=_refit_of(folder, study),
                parts=tuple(parts.runs),
            )
        )
    else:
        reason = parts.left_out[0][1] if parts.left_out else UNFINISHED
        _leave_out(folder, states.get(folder.name), reason, found)


def _has_parts(trial: Path) -> bool:
    """Tells whether a trial has several runs, where no `study.json` says it yet."""
    return trial.name.isdecimal() and (trial / "0").is_dir() and not (trial / HYDRA_FOLDER).is_dir()


def _mean(values: Sequence[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return statistics.fmean(numbers) if len(numbers) == len(values) else None


def _refit_of(folder: Path, study: Study | None) -> Mapping[str, Any] | None:
    if study is None or str(study.winner) != folder.name:
        return None
    refit: Mapping[str, Any] = study.summary["refit"]
    return refit


def _natural(name: str) -> tuple[int, str]:
    """Sorts 2 before 10."""
    return (int(name), "") if name.isdecimal() else (-1, name)
