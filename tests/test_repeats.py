"""Studies of `run.py` whose trials are several runs, on other validation texts each."""

import csv
import json
from pathlib import Path

import pytest

from rnnclf.configuration.composed import load


def sentences_of(predictions: Path) -> list[str]:
    with predictions.open(newline="") as file:
        return [row["sentence"] for row in csv.DictReader(file)]


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ("seed=1,2", "seed cannot be searched, since it tells the runs of a trial apart"),
        (
            "dataset.validation_seed=1,2",
            "dataset.validation_seed cannot be searched, since it tell",
        ),
        ("dataset.split_seed=1,2", "dataset.split_seed cannot be searched, since trials must comp"),
        (
            "hydra.sweeper.params={seed: 'choice(1,2)'}",
            "seed cannot be searched, since it tells the runs of a trial apart",
        ),
    ],
)
def test_a_search_space_has_no_seeds_on_the_command_line_and_in_a_file(
    space, message, run_py, tmp_path
):
    done = run_py("-m", "sweeps=smoke", space)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {message}") and done.stderr.count("\n") == 1
    assert not list(tmp_path.glob("outputs/studies/*/*"))


def test_the_configuration_of_each_run_is_checked_before_the_first_trial(run_py, tmp_path):
    negative = "hydra.sweeper.repeats.overrides=['seed=-{repeat}']"
    done = run_py("-m", "sweeps=smoke", "repeats=2", "pruner=none", negative)
    assert done.returncode == 2
    assert "seed must be at least 0; it is -1" in done.stderr
    assert not list(tmp_path.rglob("study.journal"))


def test_runs_of_a_trial_have_other_validation_texts_and_are_one_row(run_py, rnnclf, tmp_path):
    study = [
        "-m",
        "sweeps=smoke",
        "repeats=2",
        "pruner=wilcoxon",
        "n_trials=2",
        "epochs=1",
        "workers=1",
    ]
    options = ["hydra.sweeper.refit.seeds=1", "hydra.sweeper.keep=1"]
    done = run_py(*study, "hidden_size=16", "embedding_size=16", *options)
    assert (done.returncode, done.stderr) == (0, "")
    folder = tmp_path / "outputs" / "studies" / "smoke-sample-gru"
    with (folder / "trials.csv").open(newline="") as file:
        values = [float(row["value"]) for row in csv.DictReader(file)]
    for number, value in enumerate(values):
        runs = [folder / str(number) / str(repeat) for repeat in range(2)]
        results = [json.loads((run / "result.json").read_text()) for run in runs]
        assert value == pytest.approx(sum(r["val_accuracy"] for r in results) / 2)
        one, other = (sentences_of(run / "predictions.csv") for run in runs)
        assert len(one) == len(other) == 45
        assert one != other

    rows = json.loads(rnnclf("compare", "--format", "json", str(folder)).stdout)
    shown = [row["val_accuracy"] for row in rows]
    assert shown == pytest.approx(sorted(values, reverse=True)), "one row for each trial"
    (winner,) = [row for row in rows if row["refit_test"]]
    assert winner["rank"] == 1
    assert not any(row.get("p_val") for row in rows), "no texts were classified by a mean"
    kept = {path.parent.parent.name for path in folder.glob("[0-9]/*/model.safetensors")}
    assert kept == {Path(winner["folder"]).parent.name}, "the best keeps the weights of its runs"
    assert (
        rnnclf("evaluate", str(Path(winner["folder"]).parent / "1"), cwd=tmp_path).returncode == 0
    )
    validate = load(folder / f"refit-of-{Path(winner['folder']).parent.name}" / "0" / "config.yaml")
    assert validate.dataset.validation_seed == 1000, "no part that the search has had"
    report = tmp_path / "report.html"
    assert rnnclf("report", str(folder), "--output", str(report)).returncode == 0
    assert "<h3>Study" in report.read_text(encoding="utf-8")
    assert "of the best trial: " in done.stdout
    assert ", mean of 2 runs\n" in done.stdout
    assert "(mean of 2 runs)" in rnnclf("pick", str(folder), cwd=tmp_path).stdout
    difference = rnnclf("compare", "--diff", str(folder / "0"), str(folder / "1")).stdout
    assert "optimizer.lr" in difference, "a trial's folder stands for its first run"
