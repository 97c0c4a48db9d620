"""Trials that are several runs: their value is the mean, and each run has its own overrides."""

import csv
import json
from pathlib import Path

import optuna
import pytest
from foreign_study import trials_of
from hydra_study_sweeper.options import PRUNERS, repeats_of
from hydra_study_sweeper.space.fingerprint import define, differences
from hydra_study_sweeper.space.repeats import Repeats, mean_of_repeats
from hydra_study_sweeper.workers.worker import make_pruner
from omegaconf import OmegaConf
from optuna.trial import TrialState

from rnnclf.configuration.composed import load
from rnnclf.errors import ConfigError

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


def test_of_two_objectives_each_has_its_mean():
    trial = optuna.create_study(directions=["maximize", "minimize"]).ask()
    assert mean_of_repeats(trial, 2, lambda repeat: [repeat, 4.0]) == [0.5, 4.0]


def test_a_trial_that_is_worse_in_one_run_after_the_other_is_pruned():
    pruner = make_pruner(OmegaConf.create(PRUNERS["wilcoxon"]))
    study = optuna.create_study(direction="maximize", pruner=pruner)
    accuracies = [0.80, 0.84, 0.78, 0.83, 0.81, 0.82]
    best = study.ask()
    study.tell(best, mean_of_repeats(best, 6, lambda repeat: [accuracies[repeat]]))
    lucky_once = study.ask()
    mean_of_repeats(lucky_once, 6, lambda repeat: [accuracies[repeat] + 0.01 * (-1) ** repeat])
    worse = study.ask()
    with pytest.raises(optuna.TrialPruned, match="after run 3"):
        mean_of_repeats(worse, 6, lambda repeat: [accuracies[repeat] - 0.01])
    # n differences of one sign have the probability 2**-n, which is below 0.1 from n = 4 on
    assert list(study.trials[worse.number].intermediate_values) == [0, 1, 2, 3]


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
    ("count", "overrides", "pruner", "message"),
    [
        (2, [], "none", "would be alike"),
        (2, ["seed=1"], "wilcoxon", "would be alike"),
        (2, ["seed={repeat}"], "asha", "goes with hydra/sweeper/pruner=wilcoxon"),
        (2, ["seed={repeat}"], "median", "goes with hydra/sweeper/pruner=wilcoxon"),
    ],
)
def test_repeats_that_make_no_sense_are_refused(count, overrides, pruner, message):
    repeats = {"count": count, "overrides": overrides}
    options = OmegaConf.create({"repeats": repeats, "pruner": PRUNERS[pruner]})
    with pytest.raises(ConfigError, match=message):
        repeats_of(options)


def test_overrides_that_cannot_be_composed_are_told_before_the_first_trial(sweep, tmp_path):
    done = sweep(
        "hydra.sweeper.repeats.count=2", "hydra.sweeper.repeats.overrides=['sise={repeat}']"
    )
    assert done.returncode == 1
    assert "sise" in done.stdout
    assert "Traceback" not in done.stdout
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize("size", ["size=5", "size=choice(5,6)"])
def test_what_the_runs_of_a_trial_would_replace_cannot_be_asked_for(size, sweep, tmp_path):
    done = sweep(*THREE_SIZES, size)
    assert done.returncode == 1
    assert "size is set or searched, but each run of a trial has its own" in done.stdout
    assert not (tmp_path / "study").exists()


def test_the_configuration_of_each_run_is_checked_before_the_first_trial(run_py, tmp_path):
    negative = "hydra.sweeper.repeats.overrides=['seed=-{repeat}']"
    done = run_py("-m", "sweeps=smoke", "repeats=2", "pruner=none", negative)
    assert done.returncode == 2
    assert "seed must be at least 0; it is -1" in done.stderr
    assert not list(tmp_path.rglob("study.journal"))


def test_a_study_with_more_or_fewer_runs_of_a_trial_is_another():
    three, one = (
        define(OmegaConf.create({}), [], ["maximize"], [], {}, repeats)
        for repeats in (Repeats(3, ["size={repeat}"]), Repeats())
    )
    runs = "configuration: hydra.sweeper.repeats"
    assert differences(three, one) == [f"{runs} was 3 with size={{repeat}} and is not there"]
    assert differences(one, three) == [f"{runs} was not there and is 3 with size={{repeat}}"]


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
    assert validate.dataset.validation_seed == 0, "as in the search"
    report = tmp_path / "report.html"
    assert rnnclf("report", str(folder), "--output", str(report)).returncode == 0
    assert "<h3>Study" in report.read_text(encoding="utf-8")
    assert ", mean of 2 runs, in outputs/studies" in done.stdout
    assert "(mean of 2 runs)" in rnnclf("pick", str(folder), cwd=tmp_path).stdout
    difference = rnnclf("compare", "--diff", str(folder / "0"), str(folder / "1")).stdout
    assert "optimizer.lr" in difference, "a trial's folder stands for its first run"


def test_a_key_that_is_null_is_no_difference_to_a_study_of_an_earlier_version():
    before = {"configuration": {"seed": "0"}}
    now = {"configuration": {"seed": "0", "dataset.validation_seed": "None"}}
    assert differences(before, now) == []
    assert differences(now, {"configuration": {"seed": "0", "dataset.validation_seed": "1"}})
