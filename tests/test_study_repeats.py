"""Trials that are several runs: their value is the mean, and each run has its own overrides."""

import csv
import json
from pathlib import Path

import pytest
from foreign_study import trials_of
from optuna.trial import TrialState

THREE_SIZES = ("hydra.sweeper.repeats.count=3", "hydra.sweeper.repeats.overrides=['size={repeat}']")


def test_the_value_of_a_trial_is_the_mean_of_its_runs(sweep, tmp_path):
    done = sweep(*THREE_SIZES, "outcome=product", "steps=2", "hydra.sweeper.n_trials=2")
    assert done.returncode == 0, done.stdout
    for trial in trials_of(tmp_path / "study"):
        x = trial.params["x"]
        assert trial.intermediate_values == pytest.approx({0: 0, 1: x, 2: 2 * x}), "the runs' alone"
        assert trial.value == pytest.approx(x)
        folder = tmp_path / "study" / str(trial.number)
        sizes = [(folder / str(n) / ".hydra" / "overrides.yaml").read_text() for n in range(3)]
        assert [f"size={n}" in size for n, size in enumerate(sizes)] == [True] * 3


def test_of_two_objectives_each_has_its_mean(sweep, tmp_path):
    two = ("outcome=two", "hydra.sweeper.direction=[maximize,minimize]", "hydra.sweeper.n_trials=1")
    done = sweep(*THREE_SIZES, *two)
    assert done.returncode == 0, done.stdout
    assert trials_of(tmp_path / "study")[0].values == [0.5, 0.5]


def test_a_trial_that_is_worse_in_one_run_after_the_other_is_pruned(sweep, tmp_path):
    ten = ("hydra.sweeper.repeats.count=10", THREE_SIZES[1], "hydra/sweeper/pruner=wilcoxon")
    points = "hydra.sweeper.enqueue=[{x: 0.1}, {x: 0.9}]"
    done = sweep(*ten, points, "hydra.sweeper.n_trials=3", "hydra.sweeper.workers=1")
    assert done.returncode == 0, done.stdout
    default, worse, better = trials_of(tmp_path / "study")
    assert (default.state, better.state) == (TrialState.COMPLETE, TrialState.COMPLETE)
    assert worse.state is TrialState.PRUNED
    # all n differences have one sign, which has the probability 2**-n: below 0.1 from n = 4 on
    assert list(worse.intermediate_values) == [0, 1, 2, 3]
    assert not (tmp_path / "study" / "1" / "4").exists()


def test_a_run_that_ended_is_not_repeated_when_the_worker_dies_in_the_next(sweep, tmp_path):
    done = sweep(*THREE_SIZES, "outcome=die_once_at_size_1", "hydra.sweeper.n_trials=1")
    assert done.returncode == 0, done.stdout
    lost, again = trials_of(tmp_path / "study")
    assert (lost.state, again.state) == (TrialState.FAIL, TrialState.COMPLETE)
    assert len(again.intermediate_values) == 3
    begun = [
        (tmp_path / "study" / str(again.number) / str(n) / ".hydra" / "config.yaml").stat().st_mtime
        for n in range(3)
    ]
    died = (tmp_path / "died").stat().st_mtime
    assert [time > died for time in begun] == [False, True, True]


def sentences_of(predictions: Path) -> list[str]:
    with predictions.open(newline="") as file:
        return [row["sentence"] for row in csv.DictReader(file)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("hydra.sweeper.repeats.count=0",), "hydra.sweeper.repeats.count must be at least 1"),
        (("hydra.sweeper.repeats.count=2",), "would be alike"),
        ((*THREE_SIZES, "hydra/sweeper/pruner=asha"), "goes with hydra/sweeper/pruner=wilcoxon"),
        (
            ("hydra.sweeper.repeats.count=2", "hydra.sweeper.repeats.overrides=['sise={repeat}']"),
            "sise",
        ),
    ],
)
def test_repeats_that_cannot_be_are_refused_before_the_first_trial(
    sweep, tmp_path, arguments, message
):
    done = sweep(*arguments)
    assert done.returncode == 1
    assert message in done.stdout
    assert "Traceback" not in done.stdout
    assert not (tmp_path / "study").exists()


def test_a_study_goes_on_with_as_many_runs_of_a_trial_as_before(sweep):
    assert sweep(*THREE_SIZES, "hydra.sweeper.n_trials=1").returncode == 0
    done = sweep("hydra.sweeper.n_trials=2")
    assert done.returncode == 1
    assert "hydra.sweeper.repeats was 3 with size={repeat} and is not there" in done.stdout


def test_runs_of_a_trial_have_other_validation_texts_and_are_one_row(run_py, rnnclf, tmp_path):
    study = ["-m", "sweeps=smoke", "repeats=2", "pruner=wilcoxon", "n_trials=2", "epochs=2"]
    done = run_py(*study, "hidden_size=16", "embedding_size=16", "hydra.sweeper.refit.seeds=1")
    assert done.returncode == 0, done.stderr
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
    assert rnnclf("pick", str(folder), cwd=tmp_path).returncode == 0
