"""The studies of `run.py`: every search space composes, and a whole study from search to refit."""

import json
import re
import shutil
import signal
import time

import numpy as np
import psutil
import pytest
import yaml
from hydra_study_sweeper.intervals import seed_values
from hydra_study_sweeper.space.dimensions import Dimension, parse_space
from hydra_study_sweeper.space.overrides import definitions_of
from omegaconf import DictConfig
from project import REPO, STUDY_COMMAND, compose_sweep
from scipy import stats

import rnnclf as package
from rnnclf.configuration.composed import load

ALWAYS = {
    "optimizer.lr",
    "training.batch_size",
    "model.embedding_size",
    "model.hidden_size",
}
SMALL = ("hidden_size=8", "embedding_size=8")
SWEEPS = {path.stem for path in (REPO / "sweeps").glob("*.yaml")} - {"study"}

# Table 3 of the hand-out, typed from its page.
TABLE_3 = """
1 Sentiment, Spam LSTM
2 Sentiment, Questions LSTM
3 Sentiment, Newsgroups LSTM
4 Spam, Questions LSTM
5 Spam, Newsgroups LSTM
6 Questions, Newsgroups LSTM
7 Sentiment, Spam GRU
8 Sentiment, Questions GRU
9 Sentiment, Newsgroups GRU
10 Spam, Questions GRU
11 Spam, Newsgroups GRU
12 Questions, Newsgroups GRU
13 Sentiment, Spam LSTM
14 Sentiment, Questions LSTM
15 Sentiment, Newsgroups LSTM
16 Spam, Questions LSTM
17 Spam, Newsgroups LSTM
18 Questions, Newsgroups LSTM
19 Sentiment, Spam GRU
20 Sentiment, Questions GRU
21 Sentiment, Newsgroups GRU
22 Spam, Questions GRU
23 Spam, Newsgroups GRU
24 Questions, Newsgroups GRU
"""


def dimensions_of(config: DictConfig) -> dict[str, Dimension]:
    space = {k: v for k, v in config.search_space.items() if k != "dataset"}
    found = parse_space(definitions_of(space), lambda groups=(): config)
    return {dimension.key: dimension for dimension in found}


@pytest.mark.parametrize("name", sorted(SWEEPS))
def test_every_sweep_searches_the_handouts_hyperparameters(name):
    config = compose_sweep(f"sweeps={name}")
    dimensions = dimensions_of(config)
    assert dimensions.keys() >= ALWAYS
    assert dimensions["optimizer.lr"].distribution.log
    assert config.hydra.sweeper.direction == "maximize"
    if name not in ("auto", "default", "handout", "smoke"):
        assert config.dataset.name == name


@pytest.mark.parametrize("dataset", ["newsgroups", "questions", "sentiment", "spam"])
def test_auto_has_the_data_sets_own_space_and_length(dataset):
    own = compose_sweep(f"sweeps={dataset}")
    auto = compose_sweep("sweeps=auto", f"dataset={dataset}")
    assert auto.search_space == own.search_space
    assert auto.training == own.training
    assert auto.hydra.sweeper.refit == own.hydra.sweeper.refit
    assert dimensions_of(auto).keys() > ALWAYS


def test_studies_of_other_spaces_have_other_folders():
    names = ("auto", "default", "handout", "smoke")
    folders = {compose_sweep(f"sweeps={n}", "dataset=questions").hydra.sweep.dir for n in names}
    assert len(folders) == len(names)
    assert compose_sweep("sweeps=questions").hydra.sweep.dir in folders, "auto's"


def test_every_group_of_the_handout_has_its_data_sets_and_cell():
    for line in TABLE_3.strip().splitlines():
        number, task = line.split(" ", 1)
        names, cell = task.lower().rsplit(" ", 1)
        text = (REPO / "conf" / "group" / f"{number}.yaml").read_text()
        assert text.startswith("# @package _global_\n")
        then = ["rnnclf compare", f"rnnclf submission --group {number}"]
        assert yaml.safe_load(text) == {
            "defaults": [{"override /sweeps": "auto"}, {"override /cell": cell}],
            "search_space": {"dataset": names.replace(" ", "")},
            "hydra": {"sweeper": {"next": then}},
        }
    config = compose_sweep("+group='1'")
    assert (config.model.cell, config.search_space.dataset) == ("lstm", "sentiment,spam")
    for dataset in ("sentiment", "spam"):
        study = compose_sweep("+group='7'", f"dataset={dataset}")
        assert (study.dataset.name, study.model.cell) == (dataset, "gru")
        assert dimensions_of(study).keys() >= ALWAYS


def test_a_study_from_the_search_to_the_tested_winner(outputs, run_py, tmp_path):
    shutil.copytree(outputs, tmp_path / "outputs")
    folder = tmp_path / "outputs" / "studies" / "smoke-sample-gru"
    summary = json.loads((folder / "study.json").read_text())
    assert summary["states"] == {"complete": 4}

    trials = [json.loads((folder / str(n) / "result.json").read_text()) for n in range(4)]
    assert all(trial["test_accuracy"] is None for trial in trials), "trials never see the test"
    (best,) = summary["best"]
    assert best["values"] == [max(trial["val_accuracy"] for trial in trials)]
    assert len(list(folder.glob("[0-9]/model.safetensors"))) == 3, "the best three keep weights"
    assert (folder / best["folder"] / "model.safetensors").exists()

    refit = summary["refit"]
    model = folder / refit["model"]["folder"]
    result = json.loads((model / "result.json").read_text())
    assert result["test_accuracy"] == refit["model"]["value"]
    assert result["texts"] == {"train": 450, "validation": 0, "test": 150}
    best_epochs = []
    for path in model.parent.glob("[0-9]/result.json"):  # not those of the trial that lost
        if json.loads(path.read_text())["texts"]["validation"]:
            assert json.loads(path.read_text())["test_accuracy"] is None, "nor do these"
            lines = (path.parent / "metrics.jsonl").read_text().splitlines()
            accuracies = [json.loads(line)["val_accuracy"] for line in lines]
            best_epochs.append(1 + accuracies.index(max(accuracies)))
    assert len(best_epochs) == 2
    assert result["epochs"] == refit["best_step"] == min(best_epochs), "of two the lower"
    assert refit["final"]["mean"] == pytest.approx(sum(refit["final"]["values"]) / 2)
    assert refit["final"]["interval"] is None, "two seeds have no interval worth printing"
    assert package.load(model).predict(["Who was it?"])
    assert [
        p.parent for p in (folder / refit["model"]["folder"]).parent.rglob("*.safetensors")
    ] == [model], "one final model is kept"
    chosen = load(model / "config.yaml")
    trial = json.loads((folder / str(refit["trial"]) / "trial.json").read_text())
    assert chosen.optimizer.lr == trial["params"]["optimizer.lr"]

    done = run_py(f"from={folder}", "hydra.run.dir=best")
    assert done.returncode == 0, done.stderr
    again = json.loads((tmp_path / "best" / "result.json").read_text())
    assert again["val_accuracy"] == trial["values"][0], "the trial's numbers come out again"
    assert again["test_accuracy"] is not None

    done = run_py(*STUDY_COMMAND)
    assert done.returncode == 0, done.stderr
    assert "has all its trials already" in done.stdout
    assert f"validation accuracy of the best trial: {best['values'][0]:.4f}\n" in done.stdout
    assert f"test accuracy of the final model: {refit['final']['mean']:.4f} ±" in done.stdout
    assert f'next: rnnclf predict {model.relative_to(tmp_path)} "TEXT"' in done.stdout
    assert json.loads((folder / "study.json").read_text()) == summary


def test_a_changed_data_set_on_an_old_study_is_refused(run_py, tmp_path):
    data = tmp_path / "mine"
    data.mkdir()
    rows = "".join(f"good {i},up\nbad {i},down\n" for i in range(20))
    for name in ("train", "test"):
        (data / f"{name}.csv").write_text("sentence,label\n" + rows)
    command = ("-m", "sweeps=default", "dataset=csv", "dataset.folder=mine", "epochs=1")
    command += ("n_trials=1", "hydra.sweeper.refit.seeds=0", "workers=1", *SMALL)
    assert run_py(*command).returncode == 0
    (data / "test.csv").write_text("sentence,label\n" + rows + "new,up\n")
    done = run_py(*command)
    assert done.returncode == 2
    assert "data: csv-mine was" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("evaluate_test=true",), "evaluate_test=true in a sweep"),
        (("dataset.validation_fraction=0",), "nothing to choose by"),
        (("lr=interval(-1,1)",), "optimizer.lr must be a number above 0; it is -1.0"),
        (("model.poling=choice(max,mean)",), "model.poling"),
        (("model.pooling=choice(max,meen)",), "expected one of ['last', 'mean', "),
        (
            ("hydra.sweeper.params={dataset: 'choice(sample,spam)'}",),
            "besides what makes a study of its own (dataset, cell, experiment)",
        ),
        (("batch_size=interval(16.5,64.5)",), "training.batch_size"),
        (("sampler=tpee",), "tpee"),
        (("+group=7,8",), "one at a time"),
        (("hydra.sweeper.enqueue=[0.01]",), "a list of points like {KEY: VALUE}; one is 0.01"),
        (("pruner=asha", "hydra.sweeper.pruner.reduction_factor=1"), "cannot be made"),
        (("pruner=ahsa",), "Did you mean hydra/sweeper/pruner=asha?"),
    ],
)
def test_what_is_wrong_with_a_study_is_one_line_before_any_trial(
    run_py, tmp_path, arguments, message
):
    done = run_py("-m", "sweeps=smoke", *arguments)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.count(message) == 1
    assert not list(tmp_path.rglob("metrics.jsonl"))


def test_a_file_of_word_vectors_that_does_not_fit_is_told_before_any_trial(run_py, tmp_path):
    (tmp_path / "vectors.txt").write_text("what 1 2 3\nwho 4 5 6\n")
    command = ("-m", "sweeps=smoke", "model.vectors=vectors.txt")
    done = run_py(*command, "embedding_size=choice(3,4)")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "vectors of width 3, but model.embedding_size is 4" in done.stderr
    assert not list(tmp_path.rglob("metrics.jsonl"))


def test_null_can_be_a_choice(run_py):
    done = run_py("-m", "sweeps=smoke", "training.clip_norm=null,1.0", "dry_run=true")
    assert done.returncode == 0, done.stderr
    assert re.search(r"training.clip_norm +null, 1.0", done.stdout)


def test_a_study_without_m_says_what_is_missing(run_py):
    done = run_py("sweeps=smoke")
    assert (done.returncode, "needs -m" in done.stderr) == (2, True)


def test_a_group_is_named_by_its_number(run_py, tmp_path):
    done = run_py("-m", "+group=7", "sweeps=smoke", "dry_run=true", "dataset=sample")
    assert done.returncode == 0, done.stderr
    assert "study smoke-sample-gru" in done.stdout
    assert "fixed: '+group=\"7\"' sweeps=smoke" in done.stdout, "as Hydra needs it"


def test_without_a_validation_part_the_last_epoch_counts_and_the_test_is_shown(run_py, tmp_path):
    done = run_py("dataset.validation_fraction=0", "epochs=2", "hidden_size=8", "hydra.run.dir=run")
    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert (result["val_accuracy"], result["best_epoch"]) == (None, 2)
    assert result["texts"] == {"train": 450, "validation": 0, "test": 150}
    predictions = (tmp_path / "run" / "predictions.csv").read_text().splitlines()
    assert len(predictions) == 1 + 150


def test_seeds_are_described_by_mean_deviation_and_students_interval():
    values = [0.71, 0.74, 0.69, 0.73]
    described = seed_values(values)
    assert described.mean == pytest.approx(np.mean(values))
    assert described.sd == pytest.approx(np.std(values, ddof=1))
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert described.interval == pytest.approx([expected.low, expected.high])
    assert seed_values([0.7]).sd is None
    assert seed_values([0.7, 0.8]).interval is None, "it would be twelve times their distance"


def test_sigterm_ends_a_study_with_a_code_of_its_own_and_the_same_command_goes_on(
    run_py, start_run_py, tmp_path
):
    command = ("-m", "sweeps=smoke", "cell=lstm", "n_trials=3", "pruner=none")
    command += ("hydra.sweeper.refit.seeds=1", "hidden_size=32", "embedding_size=32")
    process = start_run_py(*command)
    folder = tmp_path / "outputs" / "studies" / "smoke-sample-lstm"
    while not (folder / "0" / "metrics.jsonl").exists():
        assert process.poll() is None
        time.sleep(0.05)
    workers = process.workers()
    process.send_signal(signal.SIGTERM)
    done = process.wait(timeout=30)
    assert done.returncode == 143, done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: terminated after ")
    assert done.stderr.splitlines()[-1].endswith("the same command continues")
    assert workers
    assert psutil.wait_procs(workers, timeout=10)[1] == [], "no worker is left"
    done = run_py(*command)
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads((folder / "study.json").read_text())
    assert summary["states"] == {"complete": 3}, (folder / "trials.csv").read_text()
    assert len(summary["refit"]["final"]["values"]) == 1
