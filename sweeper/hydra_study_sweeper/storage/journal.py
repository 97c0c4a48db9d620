"""Optuna's journal of a study: opened for its workers, or read without being touched."""

import io
import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend

from hydra_study_sweeper.errors import StudyError
from hydra_study_sweeper.files import open_regular
from hydra_study_sweeper.paths import StudyPaths
from hydra_study_sweeper.storage.locks import brief_lock

LONGEST_LINE = 2**24  # bytes
# What an odd line makes of Optuna's replay.
ODD = (ValueError, LookupError, TypeError, ArithmeticError, AssertionError, RecursionError)


class _ForWriting(JournalFileBackend):
    """A journal file to which several processes append.

    Optuna's own lock stays behind when its holder is killed; this one is released by the kernel.
    Optuna's way to append begins a new file where the folder was moved away meanwhile, in which
    the study would go on without its beginning; here it fails.
    """

    def __init__(self, paths: StudyPaths) -> None:
        self._writing = brief_lock(paths.journal_lock)
        self._journal = paths.journal
        super().__init__(str(paths.journal))

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Appends entries to whole lines, also after a writer whose disk was full."""
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with self._writing, self._journal.open("rb+") as file:
            _cut_torn_line(file)
            file.seek(0, os.SEEK_END)
            file.write(lines.encode())
            file.flush()
            os.fsync(file.fileno())


def open_journal(paths: StudyPaths) -> JournalStorage:
    """Opens the journal of a study for reading and writing; it is made if it is missing."""
    return _storage(_ForWriting(paths))


def journal_for_reading(folder: Path) -> JournalStorage:
    """Opens the journal in the folder of a study; nothing in it can be changed.

    Raises:
        StudyError: If there is none, or it is damaged.
    """
    journal = StudyPaths(folder).journal
    if not journal.is_file():
        raise StudyError(f"{folder}: there is no {journal.name} of a study")
    backend = _ForReading(journal)
    try:
        return _storage(backend)
    except OSError as error:
        raise StudyError(f"{journal} cannot be read: {error}") from error
    except ODD as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise StudyError(f"{journal}, line {backend.line}, is damaged: {reason}") from error


def read_journal(folder: Path) -> optuna.Study:
    """Reads the study in a folder.

    Raises:
        StudyError: As for `journal_for_reading`, or if there is not just one study in it.
    """
    storage = journal_for_reading(folder)
    names = optuna.get_all_study_names(storage)
    if len(names) != 1:
        raise StudyError(
            f"{StudyPaths(folder).journal} has {len(names)} studies in it instead of one; "
            "its beginning may be missing"
        )
    return optuna.load_study(study_name=names[0], storage=storage)


class _ForReading(BaseJournalBackend):
    """A journal file of which new lines are read as they come, and none is written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0
        self._entries: list[dict[str, Any]] = []
        self.line = 0  # that is being read or applied

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        with open_regular(self._path) as file:
            file.seek(self._position)
            for line in iter(lambda: file.readline(LONGEST_LINE), b""):
                self.line = len(self._entries) + 1
                if len(line) == LONGEST_LINE:
                    raise ValueError(f"longer than {LONGEST_LINE} bytes")
                if not line.endswith(b"\n"):
                    break  # it is being written, or was torn
                self._entries.append(json.loads(line))
                self._position += len(line)
        for number, entry in enumerate(self._entries[log_number_from:], log_number_from + 1):
            self.line = number
            yield entry

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        raise StudyError("the study is open for reading only")


def _storage(backend: BaseJournalBackend) -> JournalStorage:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return JournalStorage(backend)


def _cut_torn_line(file: io.BufferedRandom) -> None:
    """Removes the half of a line that a full disk left; what it says was never confirmed."""
    size = file.seek(0, os.SEEK_END)
    if size == 0 or os.pread(file.fileno(), 1, size - 1) == b"\n":
        return
    tail = min(size, 1 << 20)
    file.truncate(size - tail + os.pread(file.fileno(), tail, size - tail).rfind(b"\n") + 1)
