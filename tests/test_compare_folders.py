"""What is not a finished run: named, left out, and never fatal."""

import errno
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hydra_study_sweeper import StudyRecord, TrialRecord
from hydra_study_sweeper.files import write_record

from rnnclf.cli.report import report
from rnnclf.cli.runs import compare
from rnnclf.errors import SelectionError
from rnnclf.runs.find import find_runs, read_run


def test_unfinished_failed_and_foreign_folders_are_named_and_never_fatal(
    write_run, rnnclf, tmp_path
):
    write_run("good")
    for name, files in {
        "unfinished": {"metrics.jsonl": "{}\n"},
        "torn": {"result.json": '{"format": 2, "datas'},
        "future": {"result.json": '{"format": 99, "dataset": "x", "cell": "gru"}'},
        "foreign": {".hydra/config.yaml": "a: 1"},
        "other": {"result.json": "[1, 2]"},
        "hollow": {"result.json": '{"format": 2, "dataset": "x", "cell": "gru", "config": {}}'},
    }.items():
        for file, content in files.items():
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
    (tmp_path / "loop").symlink_to(tmp_path)
    done = rnnclf("compare", ".", "--format", "json", cwd=tmp_path)
    assert done.returncode == 0
    (row,) = json.loads(done.stdout)
    assert Path(row["folder"]).name == "good"
    for name in ("unfinished", "torn", "future", "foreign", "other", "hollow"):
        assert name in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [compare, report])
def test_a_folder_that_cannot_be_read_is_named_or_counted_and_the_rest_is_shown(
    command, write_run, tmp_path, monkeypatch
):
    """As it is for users without the right to read it; root has that right."""
    write_run("good")
    locked = write_run("locked")
    scandir = os.scandir

    def refuse(folder):
        if str(folder) == str(locked):
            raise PermissionError(errno.EACCES, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(command, [str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 0
    if command is compare:
        assert (
            f"left out: 1 in {tmp_path} (cannot be read: Permission denied): locked" in done.stderr
        )
        assert "good" in done.stdout
    else:
        assert done.stdout == "report.html: 1 run, 0 studies, 1 folder left out\n"
        assert "cannot be read: Permission denied" in Path("report.html").read_text()


@pytest.mark.parametrize(
    "changes",
    [
        {"config": None},
        {"config": []},
        {"config": {"dataset": {"labels": 3, "folder": None}}},
        {"val_loss": None},
        {"seconds": 3},
        {"git_revision": 5},
        {"versions": None},
        {"format": "1"},
        {"test_accuracy": 7},
    ],
    ids=str,
)
def test_a_result_of_the_wrong_kind_is_left_out(changes, write_run, tmp_path):
    write_run("good")
    path = write_run("bad") / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    found = find_runs([tmp_path])
    assert [run.folder.name for run in found.runs] == ["good"]
    ((folder, reason),) = found.left_out
    assert (folder.name, reason.partition(":")[0]) == ("bad", "unreadable")


@pytest.mark.parametrize("name", ["result.json", "study.json"])
def test_endless_nesting_is_left_out(name, tmp_path):
    (tmp_path / name).write_text("[" * 100_000)
    found = find_runs([tmp_path])
    assert (found.runs, found.studies, len(found.left_out)) == ([], [], 1)


@pytest.mark.parametrize(
    "change",
    [
        {"states": 3},
        {"space": None},
        {"refit": {}},
        {"refit": {"trial": "0"}},
        {"best": []},
        {"best": [{"number": 0, "values": [], "params": {}, "folder": None, "best_step": None}]},
        {"refit.final": {"mean": 0.5, "values": [0.5], "interval": None}},
        {"refit.final": {"mean": "x", "sd": None, "values": [0.5], "interval": None}},
        {"refit.final": {"mean": 0.5, "sd": None, "values": ["x"], "interval": None}},
        {"refit.model": {"folder": "../elsewhere", "seed": 0}},
        {"refit.model": {"folder": "/elsewhere", "seed": 0}},
    ],
    ids=str,
)
def test_a_study_of_the_wrong_kind_is_left_out_and_its_trials_are_not(change, outputs, tmp_path):
    shutil.copytree(outputs / "studies", tmp_path / "studies")
    (path,) = tmp_path.glob("studies/*/study.json")
    summary = json.loads(path.read_text())
    for key, value in change.items():
        parent, _, last = key.rpartition(".")
        (summary[parent] if parent else summary)[last] = value
    path.write_text(json.dumps(summary))
    found = find_runs([tmp_path])
    assert (found.studies, [where for where, _ in found.left_out]) == ([], [path])
    assert len(found.runs) == 4


@pytest.fixture
def write_repeated(write_run, tmp_path):
    """Writes a study of one trial of two runs."""

    def write(**changes: object) -> Path:
        for repeat, accuracy in enumerate((0.5, 0.7)):
            seed = {"dataset.validation_seed": repeat}
            write_run(f"study/0/{repeat}", seed, val_accuracy=accuracy)
        (tmp_path / "study" / "study.journal").touch()
        trial = TrialRecord(0, "complete", [0.6], {}, ["0", "1"], role=None, reason=None)
        write_record(tmp_path / "study" / "0" / "trial.json", replace(trial, **changes))
        study = StudyRecord("study", ["maximize"], 1, True, None, {}, 0, None, {}, [], 2, [], None)
        write_record(tmp_path / "study" / "study.json", study)
        return tmp_path / "study"

    return write


def test_a_trial_of_several_runs_is_one_row_before_its_study_has_ended(write_repeated, write_run):
    study = write_repeated()
    (study / "study.json").unlink()
    write_run("study/side-grid/0")
    found = find_runs([study])
    assert [run.folder.parent.name for run in found.runs] == ["side-grid", "0"]
    assert found.runs[1].val_accuracy == pytest.approx(0.6)
    assert found.unrecorded == [study]


def test_a_trial_that_lacks_a_run_is_left_out_unless_it_was_pruned(write_repeated):
    study = write_repeated(state="running")
    shutil.rmtree(study / "0" / "1")
    assert find_runs([study]).left_out == [(study / "0", "unfinished")]
    assert find_runs([study]).runs == []
    shutil.rmtree(study)
    study = write_repeated(state="pruned")
    shutil.rmtree(study / "0" / "1")
    assert find_runs([study]).left_out == []


@pytest.mark.parametrize("run", ["../../elsewhere", "/elsewhere"])
def test_a_trial_whose_runs_are_elsewhere_is_left_out(run, write_repeated):
    study = write_repeated()
    record = json.loads((study / "0" / "trial.json").read_text())
    (study / "0" / "trial.json").write_text(json.dumps(record | {"runs": [run]}))
    found = find_runs([study])
    assert "outside of the record's own" in found.left_out[0][1]


def test_a_run_that_is_part_of_a_listed_trial_is_not_listed_again(write_repeated):
    study = write_repeated()
    for folders in ([study, study / "0" / "1"], [study / "0" / "1", study]):
        (run,) = find_runs(folders).runs
        assert run.val_accuracy == pytest.approx(0.6)
    assert find_runs([study / "0" / "1"]).runs[0].val_accuracy == 0.7, "who asks for it gets it"


def test_the_mean_of_several_validation_parts_beside_one_part_is_warned_of(
    write_repeated, write_run, rnnclf, tmp_path
):
    write_repeated()
    assert "different splits" not in rnnclf("compare", ".", cwd=tmp_path).stderr
    write_run("alone", {"dataset.validation_seed": 0})
    said = rnnclf("compare", ".", cwd=tmp_path).stderr
    assert "2 different splits" in said
    assert "--filter one by dataset.validation_seed, study" in said
    only = rnnclf("compare", ".", "--filter", "study=study", cwd=tmp_path)
    assert "different splits" not in only.stderr


def test_linked_folders_are_read_once(write_run, tmp_path):
    write_run("elsewhere/a")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "here" / "again").symlink_to(tmp_path / "elsewhere")
    assert len(find_runs([tmp_path / "here"]).runs) == 1


def test_names_with_brackets_are_shown_as_they_are(write_run, rnnclf, tmp_path):
    write_run("a[/0]", {"dataset.name": "csv-d", "dataset.folder": "/x/d [new]"})
    write_run("b", {"dataset.name": "csv-d", "dataset.folder": "/x/d [new]", "optimizer.lr": 7})
    shown = rnnclf("compare", ".", cwd=tmp_path).stdout
    assert "csv-d" in shown
    assert "a[/0]" in shown
    assert "a[/0]" in rnnclf("compare", "--diff", "a[/0]", "b", cwd=tmp_path).stdout


def test_no_run_at_all_is_an_error(rnnclf, tmp_path):
    done = rnnclf("compare", str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: no finished run below {tmp_path}\n"
    done = rnnclf("compare", cwd=tmp_path)
    assert done.stderr == f"error: outputs: no such folder in {tmp_path}\n"


def test_a_folder_that_is_no_run_cannot_be_compared_with_one(tmp_path):
    with pytest.raises(SelectionError, match="no run here"):
        read_run(tmp_path)
