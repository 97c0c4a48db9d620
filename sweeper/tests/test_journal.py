"""The journal of a study, opened for reading while others write it."""

import os
import re
from pathlib import Path

import optuna
import pytest
from hydra_study_sweeper import StudyPaths
from hydra_study_sweeper.errors import StudyError
from hydra_study_sweeper.storage.journal import open_journal, read_journal
from hydra_study_sweeper.storage.locks import FolderLock


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    return optuna.create_study(storage=open_journal(StudyPaths(tmp_path)))


def test_a_reader_sees_new_trials_and_changes_nothing(study, tmp_path):
    study.tell(study.ask(), 0.1)
    reading = read_journal(tmp_path)
    study.tell(study.ask(), 0.2)
    assert [trial.value for trial in reading.trials] == [0.1, 0.2]
    before = StudyPaths(tmp_path).journal.read_bytes()
    with pytest.raises(StudyError, match="for reading only"):
        reading.ask()
    assert StudyPaths(tmp_path).journal.read_bytes() == before


def test_the_half_of_a_line_is_left_out_by_readers_and_cut_by_the_next_writer(study, tmp_path):
    """A full disk leaves it, or a writer that is in the midst of it."""
    study.tell(study.ask(), 0.1)
    journal = StudyPaths(tmp_path).journal
    with journal.open("ab") as file:
        file.write(b'{"op_code": 6, "tri')
    assert len(read_journal(tmp_path).trials) == 1
    study.tell(study.ask(), 0.2)
    assert [trial.value for trial in read_journal(tmp_path).trials] == [0.1, 0.2]


def test_a_writer_begins_no_new_journal_where_the_folder_was_moved(tmp_path, monkeypatch):
    """Another process makes the folder anew, for a lock, in the moment before a line is written."""
    folder, moved = tmp_path / "study", tmp_path / "moved"
    folder.mkdir()
    study = optuna.create_study(storage=open_journal(StudyPaths(folder)))

    def move(*arguments: object) -> None:
        folder.rename(moved)
        folder.mkdir()

    monkeypatch.setattr("hydra_study_sweeper.storage.journal._cut_torn_line", move)
    with pytest.raises(OSError, match=r"study\.journal"):
        study.ask()
    assert not StudyPaths(folder).journal.exists()


def test_others_may_write_while_a_line_goes_to_disk(study, tmp_path, monkeypatch):
    lines = []

    def force(file: int) -> None:
        with FolderLock(StudyPaths(tmp_path).journal_lock):
            lines.append(StudyPaths(tmp_path).journal.read_bytes().splitlines()[-1])

    monkeypatch.setattr(os, "fsync", force)
    study.ask().report(0.25, step=0)
    assert len(lines) == 2, "each line goes to disk before its writer continues"
    assert b'"intermediate_value":0.25' in lines[-1]


def test_nobody_goes_on_in_the_journal_of_another_study(tmp_path):
    folder = tmp_path / "study"
    folder.mkdir()
    old = optuna.create_study(storage=open_journal(StudyPaths(folder)))
    trial = old.ask()
    folder.rename(tmp_path / "moved")
    folder.mkdir()
    new = optuna.create_study(storage=open_journal(StudyPaths(folder)))
    new.ask()
    content = StudyPaths(folder).journal.read_bytes()
    for use in (lambda: trial.report(0.5, step=0), lambda: old.trials):
        with pytest.raises(StudyError, match="of another study now; put the old one back"):
            use()
    assert StudyPaths(folder).journal.read_bytes() == content


def test_the_journal_of_a_study_that_has_begun_is_not_made(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_journal(StudyPaths(tmp_path), begun=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no study.journal"),
        (b"no JSON\n", "line 1, is damaged: JSONDecodeError"),
        (b"5\n", "line 1, is damaged: TypeError"),
        (b"[" * 100_000 + b"\n", "line 1, is damaged: RecursionError"),
        (b"", "0 studies in it"),
    ],
)
def test_what_is_no_journal_of_a_study_is_refused(content, message, tmp_path):
    if content is not None:
        StudyPaths(tmp_path).journal.write_bytes(content)
    with pytest.raises(StudyError, match=message):
        read_journal(tmp_path)


def test_an_infinite_integer_is_a_damaged_line(study, tmp_path):
    study.ask().suggest_int("size", 1, 3)
    journal = StudyPaths(tmp_path).journal
    value = rb'(?<="param_value_internal":)[\d.]+'
    journal.write_bytes(re.sub(value, b"1e400", journal.read_bytes()))
    with pytest.raises(StudyError, match="is damaged: OverflowError"):
        read_journal(tmp_path)


def test_a_line_without_end_is_not_read_to_its_end(tmp_path):
    journal = StudyPaths(tmp_path).journal
    journal.touch()
    os.truncate(journal, 2**40)
    with pytest.raises(StudyError, match="line 1, is damaged: ValueError: longer than"):
        read_journal(tmp_path)


@pytest.mark.parametrize("damage", [b"{}\n", b"\xff\n", b'{"op_code": 4}\n', b'{"op_code"\n'])
def test_a_damaged_line_is_named_with_its_number(damage, study, tmp_path):
    study.tell(study.ask(), 0.1)
    journal = StudyPaths(tmp_path).journal
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:2], damage, *lines[2:]]))
    with pytest.raises(StudyError, match=f"{journal}, line 3, is damaged") as caught:
        read_journal(tmp_path)
    assert "\n" not in str(caught.value)
