"""Optuna's journal of a study: opened for its workers, or read without being touched."""

import contextlib
import io
import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend

from hydra_study_sweeper.errors import StudyError
from hydra_study_sweeper.files import open_regular
from hydra_study_sweeper.paths import StudyPaths
from hydra_study_sweeper.storage.locks import FolderLock

LONGEST_LINE = 2**24  # bytes
BEGINNING = b'{"op_code":0,'  # of the line that creates a study
# What an odd line makes of Optuna's replay.
ODD = (ValueError, LookupError, TypeError, ArithmeticError, AssertionError, RecursionError)


def open_journal(paths: StudyPaths, *, begun: bool = False) -> JournalStorage:
    """Opens the journal of a study for reading and writing.

    Args:
        paths: Of the study.
        begun: Whether the journal must be there already; otherwise it is made if it is not.

    Raises:
        FileNotFoundError: If it must be there and is not.
    """
    if not begun:
        paths.journal.touch()
    return _storage(_ForWriting(paths))


def is_empty(journal: Path) -> bool:
    """Returns whether a journal has no line yet, or only the half of one that a full disk left."""
    with open_regular(journal) as file:
        line = file.readline(LONGEST_LINE)
    is_ours = BEGINNING.startswith(line[: len(BEGINNING)])
    return is_ours and not line.endswith(b"\n") and len(line) < LONGEST_LINE


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
    """A journal file of which new lines are read as they come, and none is written.

    It is known by its first line, which no other journal has: where the folder of a study was moved
    away or its journal was lost, another study may begin while workers of the old one still run.
    Optuna's own backend would go on in that one, or make a journal without a beginning.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._first = b""
        self._position = 0
        self._entries = 0
        self.line = 0  # that is being read or applied

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        assert log_number_from == self._entries, "each line is read once"
        with open_regular(self._path) as file:
            self._check(file)
            size = os.fstat(file.fileno()).st_size
            file.seek(self._position)
            for line in iter(lambda: file.readline(LONGEST_LINE), b""):
                self.line = self._entries + 1
                if len(line) == LONGEST_LINE:
                    raise ValueError(f"longer than {LONGEST_LINE} bytes")
                if not line.endswith(b"\n") or self._position + len(line) > size:
                    break  # it is being written, or was torn, and then it may be replaced just now
                entry = json.loads(line)
                self._entries += 1
                self._position += len(line)
                yield entry

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        raise StudyError("the study is open for reading only")

    def _check(self, file: io.BufferedIOBase) -> None:
        """Makes sure that the file is the journal that was read before."""
        first = file.readline(LONGEST_LINE)
        if self._first not in (b"", first):
            raise StudyError(f"{self._path} is of another study now; put the old one back")
        if first.endswith(b"\n"):
            self._first = first


class _ForWriting(_ForReading):
    """A journal file to which several processes append.

    Optuna's own lock stays behind when its holder is killed; this one is released by the kernel.
    """

    def __init__(self, paths: StudyPaths) -> None:
        super().__init__(paths.journal)
        self._writing = FolderLock(paths.journal_lock)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Appends entries to whole lines, also after a writer whose disk was full."""
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with contextlib.ExitStack() as opened:
            with self._writing:
                file = opened.enter_context(self._path.open("rb+"))
                self._check(file)
                _cut_torn_line(file)
                file.seek(0, os.SEEK_END)
                file.write(lines.encode())
                file.flush()
            # After the lock, so that the disk writes the lines of several processes at once. Others
            # may read these lines before; what they write comes behind, and reaches the disk later.
            os.fsync(file.fileno())


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
