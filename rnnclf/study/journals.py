"""Journals of studies, found below folders and read without being touched."""

import json
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.storages.journal._storage import JournalOperation

from rnnclf.errors import StudyError
from rnnclf.study.paths import StudyPaths


def find_journals(folders: Iterable[Path]) -> list[Path]:
    """Returns the journals of all studies at and below folders, refits included."""
    name = StudyPaths(Path()).journal.name
    journals = {
        Path(os.path.realpath(parent)): Path(parent, name)
        for folder in folders
        for parent, _, names in os.walk(folder)
        if name in names
    }
    return sorted(journals.values())


def open_journals(paths: Sequence[Path]) -> JournalStorage:
    """Opens several journals as one storage: new trials appear in it, nothing can be changed.

    Raises:
        StudyError: If one is damaged.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        try:
            return JournalStorage(_Journals(paths))
        except (ValueError, KeyError, TypeError, AssertionError) as error:
            places = ", ".join(str(path) for path in paths)
            raise StudyError(f"{places}: Optuna cannot read it: {error}") from error


@dataclass
class _Journal:
    """One journal, and how its own numbers translate into those of all.

    Attributes:
        path: The file.
        position: Up to where it was read.
        names: Its studies.
        studies: Numbers of its studies among all.
        trials: Numbers of its trials among all.
    """

    path: Path
    position: int = 0
    names: set[str] = field(default_factory=set)
    studies: list[int] = field(default_factory=list)
    trials: list[int] = field(default_factory=list)

    def new_entries(self) -> Iterator[dict[str, Any]]:
        """Reads the lines that are complete by now and were not read before."""
        with self.path.open("rb") as file:
            file.seek(self.position)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self.position += len(line)
                yield json.loads(line)


class _Journals(BaseJournalBackend):
    """The entries of several journals, numbered as if they stood in one."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._journals = [_Journal(path) for path in paths]
        self._entries: list[dict[str, Any]] = []
        self._names: set[str] = set()
        self._num_trials = 0

    def read_logs(self, log_number_from: int) -> list[dict[str, Any]]:
        for journal in self._journals:
            try:
                for entry in journal.new_entries():
                    if self._translate(entry, journal):
                        self._entries.append(entry)
            except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
                raise StudyError(f"{journal.path} cannot be read: {error}") from error
        return self._entries[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        raise StudyError("the studies are open for reading only")

    def _translate(self, entry: dict[str, Any], journal: _Journal) -> bool:
        """Numbers an entry as Optuna will in reading all; False for one that Optuna ignores."""
        operation = entry["op_code"]
        if operation == JournalOperation.CREATE_STUDY:
            name = entry["study_name"]
            if name in journal.names:
                return False  # two workers began the study at once
            journal.names.add(name)
            journal.studies.append(len(self._names))
            entry["study_name"] = name if name not in self._names else f"{name} ({journal.path})"
            self._names.add(entry["study_name"])
            return True
        if "study_id" in entry:
            entry["study_id"] = journal.studies[entry["study_id"]]
        if operation == JournalOperation.CREATE_TRIAL:
            journal.trials.append(self._num_trials)
            self._num_trials += 1
        if "trial_id" in entry:
            entry["trial_id"] = journal.trials[entry["trial_id"]]
        return True
