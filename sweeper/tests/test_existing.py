"""A study belongs to its storage: it is continued wherever it is moved, and never begun over."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hydra_study_sweeper import StudyPaths, TrialRecord, read_study, study
from hydra_study_sweeper.errors import ConfigError, StudyError
from hydra_study_sweeper.files import write_record
from hydra_study_sweeper.options import StudySpec
from hydra_study_sweeper.output.messages import describe_outcome
from hydra_study_sweeper.output.outcome import write_study, write_trials
from hydra_study_sweeper.paths import trial_record
from hydra_study_sweeper.storage.existing import existing_study, has_other_files
from hydra_study_sweeper.storage.trials import Trials
from planning import STUDY, make_plans_of


def make_study(folder: Path, storage: str | None = None, name: str = "mine") -> StudySpec:
    """Leaves a study with two trials, as a command does."""
    spec = StudySpec(name, folder, storage, ("maximize",), 2, 5)
    folder.mkdir()
    trials = Trials(spec)
    for _ in range(2):
        trial = trials.claim()
        trials.complete(trial, [1.0])
        trials.paths.trial(trial.number).mkdir()
        record = TrialRecord(trial.number, "complete", [1.0], {}, ["."], None, None)
        write_record(trial_record(trials.paths.trial(trial.number)), record)
    write_study(trials, [], [], 1, None)
    return spec


@pytest.mark.parametrize("storage", [None, "sqlite:///{}/studies.db"])
def test_a_study_that_was_moved_is_continued(storage, tmp_path):
    spec = make_study(tmp_path / "study", storage and storage.format(tmp_path))
    spec.folder.rename(tmp_path / "moved")
    moved = replace(spec, folder=tmp_path / "moved", name="moved")
    assert existing_study(moved, None).study_name == "mine"
    assert existing_study(moved, "mine").study_name == "mine"
    assert existing_study(replace(spec, name="study"), None) is None, "a new one may begin"


def behead(paths: StudyPaths) -> None:
    lines = paths.journal.read_bytes().splitlines(keepends=True)
    paths.journal.write_bytes(b"".join(lines[1:]))


def halve(paths: StudyPaths) -> None:
    lines = paths.journal.read_bytes().splitlines(keepends=True)
    paths.journal.write_bytes(b"".join(lines[: len(lines) // 2]))


def exchange(paths: StudyPaths) -> None:
    other = make_study(paths.folder.with_name("other"), name="other")
    shutil.copy(StudyPaths(other.folder).journal, paths.journal)


def delete_journal_and_record(paths: StudyPaths) -> None:
    paths.journal.unlink()
    paths.record.unlink()


def rename_trials_and_delete_journal(paths: StudyPaths) -> None:
    """Their names are those of `hydra.sweep.subdir`."""
    for number in (0, 1):
        folder = paths.folder / "runs" / f"x={number}"
        folder.parent.mkdir(exist_ok=True)
        paths.trial(number).rename(folder)
    delete_journal_and_record(paths)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda paths: paths.journal.unlink(), "records of 2 trials of the study mine"),
        (lambda paths: paths.journal.write_bytes(b""), "study.journal has 0"),
        (behead, "its beginning may be missing"),
        (halve, "study.journal has 1"),
        (exchange, "study.json names mine, study.journal names other"),
        (delete_journal_and_record, "records of 2 trials"),
        (rename_trials_and_delete_journal, "records of 2 trials"),
    ],
)
def test_a_study_whose_journal_was_lost_is_not_begun_over(damage, message, tmp_path):
    spec = make_study(tmp_path / "study")
    damage(StudyPaths(spec.folder))
    with pytest.raises((ConfigError, StudyError), match=message) as caught:
        existing_study(spec, None)
    assert "hydra.sweeper.restart=true" in str(caught.value)


@pytest.mark.parametrize("storage", [None, "sqlite:///{}/studies.db"])
def test_another_name_in_the_same_folder_is_refused_with_both(storage, tmp_path):
    spec = make_study(tmp_path / "study", storage and storage.format(tmp_path))
    with pytest.raises(ConfigError, match=r"study.json names mine, .*study_name names yours"):
        existing_study(replace(spec, name="yours"), "yours")


def test_a_database_that_lost_the_study_is_not_begun_over(tmp_path):
    spec = make_study(tmp_path / "study", f"sqlite:///{tmp_path}/studies.db")
    lost = replace(spec, storage=f"sqlite:///{tmp_path}/empty.db")
    with pytest.raises(ConfigError, match=r"records of 2 trials .* hydra.sweeper.storage has 0"):
        existing_study(lost, None)


@pytest.mark.parametrize("storage", [None, "sqlite:///{}/studies.db"])
def test_a_study_that_is_gone_is_not_made_again(storage, tmp_path):
    spec = make_study(tmp_path / "study", storage and storage.format(tmp_path))
    trials = Trials(spec, begun=True)
    spec.folder.rename(tmp_path / "moved")
    with pytest.raises(FileNotFoundError):
        trials.claim()
    gone = replace(spec, storage=storage and f"sqlite:///{tmp_path}/empty.db")
    with pytest.raises(StudyError, match=r"mine is no longer in .*; put it back"):
        Trials(gone, begun=True)
    assert not spec.folder.exists()


def test_trials_of_a_database_are_found_where_they_ran(tmp_path):
    """The folder of a study may have the time in its name, so each start has another."""
    first = make_study(tmp_path / "first", f"sqlite:///{tmp_path}/studies.db")
    second = replace(first, folder=tmp_path / "second")
    second.folder.mkdir()
    trials = Trials(second)
    assert [trials.folder_of(trial) for trial in trials.all()] == [
        first.folder / "0",
        first.folder / "1",
    ]
    assert write_study(trials, [], [], 1, None).best[0].folder is None
    write_trials(trials)
    assert str(first.folder / "1") in trials.paths.trials.read_text()
    said = list(describe_outcome(trials, read_study(second.folder)))
    assert f"  trial 0, in {first.folder / '0'}" in said

    first.folder.rename(tmp_path / "moved")
    moved = Trials(replace(first, folder=tmp_path / "moved"))
    assert moved.folder_of(moved.all()[0]) == tmp_path / "moved" / "0"


@pytest.mark.parametrize("length", [1, 20])
def test_a_study_begins_where_a_full_disk_left_no_line(length, tmp_path):
    journal = StudyPaths(make_study(tmp_path / "other").folder).journal.read_bytes()
    spec = StudySpec("mine", tmp_path / "study", None, ("maximize",), 2, 5)
    spec.folder.mkdir()
    StudyPaths(spec.folder).journal.write_bytes(journal[:length])
    assert not has_other_files(spec)
    assert existing_study(spec, None) is None
    Trials(spec).claim()
    assert len(existing_study(spec, None).trials) == 1


def test_a_file_that_is_called_as_a_journal_is_left_as_it_is(tmp_path):
    spec = StudySpec("mine", tmp_path / "study", None, ("maximize",), 2, 5)
    spec.folder.mkdir()
    StudyPaths(spec.folder).journal.write_text("Dear diary")
    with pytest.raises(StudyError, match="its beginning may be missing"):
        existing_study(spec, None)


def test_of_two_commands_that_begin_different_studies_the_second_changes_nothing(tmp_path):
    config = {"config": {**STUDY, "x": 1, "y": 1}}
    plans = [
        make_plans_of(tmp_path / f"conf-{number}", config, *arguments)[0]
        for number, arguments in enumerate(
            (
                ["x=interval(0,1)"],
                ["x=interval(0,2)"],
                ["x=interval(0,1)", "hydra.sweeper.study_name=other"],
            )
        )
    ]
    first, *others = [plan.with_spec(folder=tmp_path / "study") for plan in plans]
    trials = study._open(first).all()
    multirun = StudyPaths(first.spec.folder).multirun.read_text()
    for plan, message in zip(
        others, ("study that differs", "has just begun the study"), strict=True
    ):
        with pytest.raises(ConfigError, match=message):
            study._open(plan)
    assert existing_study(first.spec, None).trials == trials
    assert StudyPaths(first.spec.folder).multirun.read_text() == multirun


@pytest.mark.parametrize("moment", ["made", "written"])
def test_a_study_that_another_command_just_begins_is_joined(moment, tmp_path, monkeypatch):
    (plan,) = make_plans_of(tmp_path / "conf", {"config": {**STUDY, "x": 1}}, "x=interval(0,1)")
    plan = plan.with_spec(folder=tmp_path / "study")
    paths = StudyPaths(plan.spec.folder)

    def existing(spec: StudySpec, name: str | None) -> None:
        """Is asked before the other command has written its first line, which it does then."""
        paths.folder.mkdir(exist_ok=True)
        paths.journal.write_text("{}\n")

    if moment == "made":
        paths.folder.mkdir()
        paths.journal.touch()
    monkeypatch.setattr(study, "existing_study", existing)
    assert study._continuing(plan) == plan
