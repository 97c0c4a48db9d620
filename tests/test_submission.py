"""`rnnclf pick` and `rnnclf submission`: the best models, handed in and graded."""

import csv
import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from project import REPO

import rnnclf as package
from rnnclf.bundles.pick import choose
from rnnclf.bundles.submission.archive import FILES, FOLDERS, Group, choose_for, read_group
from rnnclf.errors import SelectionError
from rnnclf.runs.find import find_runs
from rnnclf.runs.rank import rank


@pytest.fixture
def copied(outputs, tmp_path) -> Path:
    shutil.copytree(outputs, tmp_path / "outputs")
    return tmp_path / "outputs"


# Pick


def test_the_winner_of_a_study_is_picked_as_it_was_trained_for_use(copied, rnnclf, tmp_path):
    done = rnnclf("pick", "outputs", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in (tmp_path / "models").iterdir()) == ["sample-gru", "sample-rnn"]
    study = json.loads((copied / "studies" / "smoke-sample-gru" / "study.json").read_text())
    metrics = json.loads((tmp_path / "models" / "sample-gru" / "metrics.json").read_text())
    assert metrics["study"] == study["name"]
    assert metrics["refit"] == study["refit"]
    assert metrics["result"]["test_accuracy"] == study["refit"]["model"]["value"]
    assert metrics["result"]["texts"]["validation"] == 0, "trained on the validation texts, too"
    for name in ("sample-gru", "sample-rnn"):
        assert package.load(tmp_path / "models" / name).predict(["Who was it?"])


def test_the_comparison_shows_the_winners_refit_and_not_its_runs(copied, rnnclf, tmp_path):
    done = rnnclf("compare", "--format", "json", cwd=tmp_path)
    rows = json.loads(done.stdout)
    assert len(rows) == 5, "four trials and a run"
    (winner,) = (row for row in rows if row["refit_test"])
    study = json.loads((copied / "studies" / "smoke-sample-gru" / "study.json").read_text())
    assert Path(winner["folder"]).name == str(study["refit"]["trial"])
    assert winner["refit_test"]["mean"] == study["refit"]["final"]["mean"]
    assert winner["refit_val"] == study["refit"]["validation"]


def test_a_better_run_without_weights_is_passed_over_and_named(copied, rnnclf, tmp_path):
    (ranked,) = rank(run for run in find_runs([copied]).runs if run.cell == "gru").values()
    best, second, *_ = (one.run for one in ranked)
    (best.model_folder / "model.safetensors").unlink()
    done = rnnclf("pick", "--filter", "cell=gru", cwd=tmp_path)
    assert "weights were deleted" in done.stderr
    assert str(best.folder.relative_to(tmp_path)) in done.stderr
    assert f"{second.val_accuracy:.4f}" in done.stdout


def test_without_any_weights_nothing_is_picked(copied):
    for path in copied.rglob("model.safetensors"):
        path.unlink()
    with pytest.raises(
        SelectionError, match=r"sample with gru: no run can be used \(the best of 4,"
    ):
        choose(find_runs([copied]).runs)


# Submission


def test_groups_are_those_of_the_project():
    group = read_group(7, REPO / "conf")
    assert (group.datasets, group.cell) == (("sentiment", "spam"), "gru")


@pytest.mark.parametrize(
    ("written", "datasets"),
    [("choice(spam)", ("spam",)), ("spam, questions", ("spam", "questions"))],
)
def test_a_group_has_the_data_sets_of_its_search_space(written, datasets, tmp_path):
    (tmp_path / "group").mkdir()
    assigned = f"defaults: [override /cell: gru]\nsearch_space: {{dataset: '{written}'}}\n"
    (tmp_path / "group/25.yaml").write_text(assigned)
    assert read_group(25, tmp_path).datasets == datasets


@pytest.mark.parametrize(
    "assigned",
    [
        "search_space: {dataset: 'spam,questions'}",
        "{defaults: [override /cell: gru], search_space: {dataset: [spam, questions]}}",
        "defaults: [",
    ],
)
def test_a_group_that_is_not_assigned_as_it_should_is_named(assigned, tmp_path):
    (tmp_path / "group").mkdir()
    (tmp_path / "group/25.yaml").write_text(assigned)
    with pytest.raises(SelectionError, match=r"25\.yaml: a group needs `override /cell: CELL`"):
        read_group(25, tmp_path)


@pytest.mark.parametrize(
    ("arguments", "folder", "message"),
    [
        (["--group", "25"], REPO, "no group 25; there are 1 to 24"),
        (["--group", "7"], Path("/"), "conf has no group/; go to a clone"),
        (
            ["--group", "7"],
            REPO,
            "group 7 has no finished run of sentiment with gru and of spam with gru; "
            "python run.py -m +group=7 trains what is missing",
        ),
    ],
)
def test_what_a_submission_lacks_is_named(arguments, folder, message, outputs, rnnclf, tmp_path):
    done = rnnclf(
        "submission", *arguments, "--from", str(outputs), "--to", str(tmp_path), cwd=folder
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert message in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_model_of_another_split_is_not_handed_in(outputs):
    group = Group(1, ("sample",), "rnn")
    (run,) = (run for run in find_runs([outputs]).runs if run.cell == "rnn")
    config = run.result.config | {"dataset": run.result.config["dataset"] | {"split_seed": 1}}
    with pytest.raises(SelectionError, match="of sample with rnn in the split of the hand-out"):
        choose_for(group, [replace(run, result=replace(run.result, config=config))])


@pytest.fixture
def group_25(copied, run_py, tmp_path) -> Path:
    """The project with a group of two small data sets.

    In the outputs are a study of one, and of the other a tested run and a better untested one.
    """
    project = tmp_path / "project"
    project.mkdir()
    for name in (*FOLDERS, *FILES):
        (project / name).symlink_to(REPO / name)
    (project / "conf").unlink()
    shutil.copytree(REPO / "conf", project / "conf")
    (project / "conf" / "group" / "25.yaml").write_text(
        "defaults: [override /cell: gru]\nsearch_space: {dataset: 'sample,csv-mine'}\n"
    )
    (tmp_path / "mine").mkdir()
    for name in ("train", "test"):
        rows = "".join(f"{'good' if i % 2 else 'bad'} {i},{i % 2}\n" for i in range(40))
        (tmp_path / "mine" / f"{name}.csv").write_text(f"sentence,label\n{rows}")
    own_data = ("dataset=csv", "dataset.folder=mine", "cell=gru")
    for arguments in (["lr=1e-6", "epochs=1"], ["lr=0.01", "epochs=5", "evaluate_test=false"]):
        run_py(*own_data, "hidden_size=16", "embedding_size=16", *arguments).check_returncode()
    return project


def test_a_submission_is_graded_by_the_code_in_it(group_25, rnnclf, tmp_path):
    asked = ("--group", "25", "--from", str(tmp_path / "outputs"), "--to", str(tmp_path))
    done = rnnclf("submission", *asked, cwd=group_25)
    assert done.returncode == 0, done.stderr
    packed = tmp_path / "GROUP_25_PROJECT_PART2.zip"
    assert done.stdout == f"{packed}\n"
    assert "passed over, it was never tested" in done.stderr
    zipfile.ZipFile(packed).extractall(tmp_path / "grader")
    folder = tmp_path / "grader" / "GROUP_25_PROJECT_PART2"
    assert sorted(path.name for path in folder.iterdir()) == [
        "REPORT.md",
        "code",
        "models",
        "search",
    ]
    assert sorted(path.name for path in (folder / "search" / "sample-gru").iterdir()) == [
        *("best.yaml", "study.json", "trials.csv")
    ]
    assert str(tmp_path) not in (folder / "search" / "sample-gru" / "best.yaml").read_text()
    metrics = folder / "models" / "csv-mine-gru" / "metrics.json"
    accuracy = json.loads(metrics.read_text())["result"]["test_accuracy"]
    report = (folder / "REPORT.md").read_text()
    assert f"| csv-mine | **{accuracy:.4f}** |" in report
    assert "of 4 trials" in report
    code = os.pathsep.join(str(folder / "code" / name) for name in ("", "sweeper"))
    grade = [sys.executable, "-m", "rnnclf", "grade", str(packed), "--format", "csv"]
    done = subprocess.run(
        [*grade, "--data", str(tmp_path / "mine")],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": code},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert [(row["dataset"], row["verdict"]) for row in rows] == [
        *(("sample", "as reported"), ("csv-mine", "as reported"))
    ]


def test_of_equals_the_winner_that_was_trained_again_is_picked(copied):
    runs = [run for run in find_runs([copied]).runs if run.cell == "gru"]
    (winner,) = (run for run in runs if run.refit)
    for run in runs:
        result = json.loads((run.folder / "result.json").read_text())
        result |= {"val_accuracy": 0.9, "val_loss": 1.0 if run.refit else 0.5}
        (run.folder / "result.json").write_text(json.dumps(result))
    (picked,) = choose(run for run in find_runs([copied]).runs if run.cell == "gru")
    assert (picked.run.folder, picked.better) == (winner.folder, [])


def test_a_trial_is_one_of_its_study_wherever_the_search_begins(copied):
    (winner,) = (run for run in find_runs([copied]).runs if run.refit)
    (alone,) = find_runs([winner.folder]).runs
    assert alone.refit == winner.refit
    assert len(find_runs([winner.folder, copied]).runs) == len(find_runs([copied]).runs)


def test_where_nothing_was_tested_there_is_a_way_on(copied):
    runs = [run for run in find_runs([copied]).runs if not run.refit and run.study]
    with pytest.raises(SelectionError, match=r"never tested\); train it .* run.py from="):
        choose(runs, tested=True)
