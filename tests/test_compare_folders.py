"""What is not a finished run: named, left out, and never fatal."""

import json
import shutil
from pathlib import Path

import pytest

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


@pytest.mark.parametrize(
    "changes",
    [
        {"config": None},
        {"config": []},
        {"config": {"dataset": {"labels": 3, "folder": None}}},
        {"val_accuracy": "0.5"},
        {"val_loss": None},
        {"seconds": 3},
        {"git_revision": 5},
        {"versions": None},
        {"format": "2"},
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
    assert len(found.runs) == 3


@pytest.fixture
def write_repeated(write_run, tmp_path):
    """Writes a study of one trial of two runs, at first without what it says when it ends."""

    def write(*, ended: bool) -> Path:
        for repeat, accuracy in enumerate((0.5, 0.7)):
            seed = {"dataset.validation_seed": repeat}
            write_run(f"study/0/{repeat}", seed, val_accuracy=accuracy)
        (tmp_path / "study" / "study.journal").touch()
        if ended:
            summary = {"name": "study", "n_trials": 1, "finished": True, "states": {}, "space": {}}
            summary |= {"best": [], "refit": None, "repeats": 2}
            (tmp_path / "study" / "study.json").write_text(json.dumps(summary))
        return tmp_path / "study"

    return write


def test_runs_of_a_trial_are_no_rows_before_their_study_says_that_they_are_one(
    write_repeated, write_run, rnnclf, tmp_path
):
    study = write_repeated(ended=False)
    write_run("study/side-grid/0")
    found = find_runs([tmp_path])
    assert [run.folder.parent.name for run in found.runs] == ["side-grid"]
    ((folder, reason),) = found.left_out
    assert (folder, reason.partition(",")[0]) == (study / "0", "parts of a trial")


def test_a_run_that_is_part_of_a_listed_trial_is_not_listed_again(write_repeated):
    study = write_repeated(ended=True)
    for folders in ([study, study / "0" / "1"], [study / "0" / "1", study]):
        (run,) = find_runs(folders).runs
        assert run.val_accuracy == pytest.approx(0.6)
    assert find_runs([study / "0" / "1"]).runs[0].val_accuracy == 0.7, "who asks for it gets it"


def test_the_mean_of_several_validation_parts_beside_one_part_is_warned_of(
    write_repeated, write_run, rnnclf, tmp_path
):
    write_repeated(ended=True)
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
    write_run("a[/0]", {"dataset.name": "csv", "dataset.folder": "/x/d [new]"})
    write_run("b", {"dataset.name": "csv", "dataset.folder": "/x/d [new]", "optimizer.lr": 7})
    shown = rnnclf("compare", ".", cwd=tmp_path).stdout
    assert "csv-d [new]" in shown
    assert "a[/0]" in shown
    assert "a[/0]" in rnnclf("compare", "--diff", "a[/0]", "b", cwd=tmp_path).stdout


def test_a_run_of_an_older_version_is_read_from_its_own_configuration(
    real_result, write_run, compare, tmp_path
):
    folder = write_run("old")
    result = {k: v for k, v in real_result.items() if k != "config"} | {"format": 1}
    (folder / "result.json").write_text(json.dumps(result))
    (folder / "config.yaml").write_text(json.dumps(real_result["config"]))
    (row,) = compare(".")
    assert row["cell"] == "gru"


def test_no_run_at_all_is_an_error(rnnclf, tmp_path):
    done = rnnclf("compare", str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: no finished run below {tmp_path}\n"
    done = rnnclf("compare", cwd=tmp_path)
    assert done.stderr == "error: outputs: no such folder\n"


def test_a_folder_that_is_no_run_cannot_be_compared_with_one(tmp_path):
    with pytest.raises(SelectionError, match="no run here"):
        read_run(tmp_path)
