"""The study that is already where a study would begin: it is continued, never begun over."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import optuna

from hydra_study_sweeper.errors import ConfigError, StudyError
from hydra_study_sweeper.files import RecordError
from hydra_study_sweeper.options import StudySpec
from hydra_study_sweeper.paths import StudyPaths, trial_record
from hydra_study_sweeper.printable import counted
from hydra_study_sweeper.records import read_study, read_trial
from hydra_study_sweeper.storage.journal import is_empty, read_journal
from hydra_study_sweeper.storage.opening import open_storage
from hydra_study_sweeper.storage.trials import LOST_KIND, REASON

INSTEAD = (
    "put the old study aside with hydra.sweeper.restart=true, or choose another hydra.sweep.dir"
)


def existing_study(spec: StudySpec, asked_name: str | None) -> optuna.Study | None:
    """Returns the study that is to be continued, which may have been moved or renamed since.

    Args:
        spec: The study that would begin.
        asked_name: The name that it must have; None for whichever it has.

    Raises:
        ConfigError: If it is another study, or the storage has lost trials of which there are
            records.
        StudyError: If the journal is damaged.
    """
    paths = StudyPaths(spec.folder)
    recorded_name, recorded_trials = _recorded(paths)  # first: both may be growing
    found = (
        _from_journal(paths)
        if spec.storage is None
        else _from_database(spec, asked_name or recorded_name or spec.name)
    )
    storage = "hydra.sweeper.storage" if spec.storage else paths.journal.name
    names = {
        paths.record.name: recorded_name,
        storage: found.study_name if found else None,
        "hydra.sweeper.study_name": asked_name,
    }
    if len(set(names.values()) - {None}) > 1:
        told = ", ".join(f"{where} names {name}" for where, name in names.items() if name)
        raise ConfigError(f"{spec.folder} is of another study: {told}; keep its name, {INSTEAD}")
    stored = len(found.get_trials(deepcopy=False)) if found else 0
    if stored < recorded_trials:
        raise ConfigError(
            f"{spec.folder} has records of {counted(recorded_trials, 'trial')} of the study "
            f"{recorded_name or spec.name}, but {storage} has {stored}; put it back, {INSTEAD}"
        )
    return found


def seconds_spent(spec: StudySpec) -> float:
    """Returns how long trials of a study and its refits have run, over all starts of its command.

    A trial whose worker was lost does not count, because nobody knows when it ended.
    """
    refits = [refit_spec(spec, folder) for folder in StudyPaths(spec.folder).refits]
    studies = [study for one in (spec, *refits) if (study := existing_study(one, None))]
    trials = [trial for study in studies for trial in study.get_trials(deepcopy=False)]
    spans = sorted(
        (trial.datetime_start, max(trial.datetime_start, trial.datetime_complete))
        for trial in trials
        if trial.datetime_start and trial.datetime_complete
        if not trial.user_attrs.get(REASON, "").startswith(LOST_KIND)
    )
    spent, until = timedelta(), datetime.min
    for start, end in spans:  # of trials that ran at the same time, the time counts once
        spent += max(end, until) - max(start, until)
        until = max(end, until)
    return spent.total_seconds()


def refit_spec(search: StudySpec, folder: Path) -> StudySpec:
    """Returns the specification of a refit, which is a study in a folder of the search."""
    name = f"{search.name}-{folder.name}"
    return replace(search, name=name, folder=folder, n_trials=None, trial_timeout=None, budget=None)


def has_other_files(spec: StudySpec) -> bool:
    """Returns whether the folder of a study has more than a study begins with."""
    paths = StudyPaths(spec.folder)
    return paths.folder.is_file() or any(
        not path.name.startswith(".")  # as the locks
        and not (path == paths.journal and path.is_file() and is_empty(path))
        for path in paths.folder.glob("*")
    )


def has_records(paths: StudyPaths) -> bool:
    """Returns whether a folder has records of a study or its trials."""
    return paths.record.exists() or _recorded(paths)[1] > 0


def _recorded(paths: StudyPaths) -> tuple[str | None, int]:
    """Returns the name and the number of trials of the study whose records are in a folder."""
    trials = max(_numbers(paths), default=-1) + 1
    try:
        record = read_study(paths.folder)
    except RecordError:  # there is none yet; a damaged one is written again
        return None, trials
    return record.name, max(trials, sum(record.states.values()) + record.lost)


def _numbers(paths: StudyPaths) -> Iterator[int]:
    """Yields the numbers of the trials that have records, whatever their folders are called."""
    refits = paths.refits
    for place, folders, files in os.walk(paths.folder):
        folder = Path(place)
        is_another = bool({paths.journal.name, paths.record.name} & set(files))
        if folder in refits or (is_another and folder != paths.folder):
            folders.clear()  # another study; in a database, a refit has no journal
        elif trial_record(folder).name in files:
            folders.clear()
            with contextlib.suppress(RecordError):
                yield read_trial(folder).number


def _from_journal(paths: StudyPaths) -> optuna.Study | None:
    if not paths.journal.is_file() or is_empty(paths.journal):
        return None
    try:
        return read_journal(paths.folder)
    except StudyError as error:
        raise StudyError(f"{error}; restore it, {INSTEAD}") from error


def _from_database(spec: StudySpec, name: str) -> optuna.Study | None:
    storage = open_storage(spec)
    if name not in optuna.get_all_study_names(storage):
        return None
    return optuna.load_study(study_name=name, storage=storage)
