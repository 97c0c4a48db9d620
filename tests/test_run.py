"""`python run.py` as a process: what it leaves, what it repeats, how it fails."""

import csv
import json
import os

import pytest
from project import REAL_DATA, RUN_PY, composed, result_of

import rnnclf as package
from rnnclf.configuration.composed import load
from rnnclf.configuration.identity import identity
from rnnclf.data.sources import load_corpus

TINY = ("epochs=2", "hidden_size=8", "embedding_size=8")


def test_a_run_leaves_its_whole_record(run_py, tmp_path):
    done = run_py(*TINY, "cell=lstm")
    assert (done.returncode, done.stderr) == (0, "")
    (result_path,) = tmp_path.rglob("result.json")
    folder = result_path.parent
    assert folder.parent == tmp_path / "outputs" / "sample-lstm"
    assert {path.name for path in folder.iterdir()} == {
        ".hydra",
        "config.yaml",
        "labels.txt",
        "metrics.jsonl",
        "model.safetensors",
        "predictions.csv",
        "result.json",
        "run.log",
        "vocabulary.txt",
    }
    result = json.loads(result_path.read_text())
    config = load(folder / "config.yaml")
    assert config.evaluate_test is True
    assert result["identity"] == identity(composed(*TINY, "cell=lstm"))
    assert result["texts"] == {"train": 405, "validation": 45, "test": 150}
    assert result["seed"] == 0
    assert result["versions"]["torch"].startswith("2.")

    epochs = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [epoch["epoch"] for epoch in epochs] == [1, 2]
    assert result["val_accuracy"] == max(epoch["val_accuracy"] for epoch in epochs)

    with (folder / "predictions.csv").open(encoding="utf-8", newline="") as file:
        predictions = list(csv.DictReader(file))
    for part, accuracy in (("validation", "val_accuracy"), ("test", "test_accuracy")):
        right = [row["label"] == row["predicted"] for row in predictions if row["part"] == part]
        assert sum(right) / len(right) == result[accuracy]

    assert f"test accuracy       {result['test_accuracy']:.4f}" in done.stdout
    here = folder.relative_to(tmp_path)
    assert f"files in {here}" in done.stdout
    assert f"next: rnnclf predict {here}" in done.stdout

    corpus = load_corpus("sample", tmp_path)
    predicted = package.load(folder).predict(corpus.test.texts)
    right = sum(a == b for a, b in zip(predicted, corpus.test.labels, strict=True))
    assert right / len(predicted) == result["test_accuracy"], "the saved model is the tested one"


def test_the_same_seed_gives_the_same_numbers_to_the_last_bit(run_py, tmp_path):
    options = (*TINY, "model.dropout=0.3", "model.word_dropout=0.2", "evaluate_test=false")
    single, grid = ("seed=0", "hydra.run.dir=a"), ("-m", "seed=0,1", "hydra.sweep.dir=b")
    for command in (single, grid):
        done = run_py(*options, *command)
        assert done.returncode == 0, done.stderr
    places = ("a", "b/0", "b/1")
    same, again, other = ((tmp_path / p / "model.safetensors").read_bytes() for p in places)
    assert same == again != other

    def losses(name: str) -> list[float]:
        lines = (tmp_path / name / "metrics.jsonl").read_text().splitlines()
        return [json.loads(line)["train_loss"] for line in lines]

    assert losses("a") == losses("b/0")
    assert result_of(tmp_path / "a")["test_accuracy"] is None


def test_a_grid_runs_every_combination_and_never_reads_the_test_split(run_py, tmp_path):
    done = run_py("-m", *TINY, "cell=rnn,gru", "lr=0.001,0.01")
    assert done.returncode == 0, done.stderr
    results = [json.loads(path.read_text()) for path in tmp_path.rglob("result.json")]
    assert sorted(result["cell"] for result in results) == ["gru", "gru", "rnn", "rnn"]
    assert len({result["identity"] for result in results}) == 4
    assert all(result["test_accuracy"] is None for result in results)
    best = max(result["val_accuracy"] for result in results)
    assert f"sample: best validation accuracy {best:.4f}, in outputs/grids/" in done.stdout


def test_hydras_own_optuna_sweeper_works_with_it(run_py, tmp_path):
    done = run_py(
        "-m",
        "hydra/sweeper=optuna",
        "hydra.sweeper.direction=maximize",
        "hydra.sweeper.n_trials=2",
        "hydra.sweeper.n_jobs=1",
        *TINY,
        "lr=tag(log,interval(0.001,0.1))",
        "batch_size=choice(16,32)",
    )
    assert done.returncode == 0, done.stderr
    results = [json.loads(path.read_text()) for path in tmp_path.rglob("result.json")]
    assert len({result["identity"] for result in results}) == 2
    (summary,) = tmp_path.rglob("optimization_results.yaml")
    assert f"best_value: {max(result['val_accuracy'] for result in results)}" in summary.read_text()


def test_help_names_groups_short_names_and_keys(run_py):
    done = run_py("--help")
    for expected in (
        *("dataset     csv, newsgroups", "group       1, 2, 3, 4"),
        *("lr -> optimizer.lr", "hidden_size: 128"),
    ):
        assert expected in done.stdout
    as_in_the_clone = done.stdout.replace(str(RUN_PY), "run.py")
    assert max(map(len, as_in_the_clone.splitlines())) <= 80


def test_pretrained_vectors_are_used(run_py, tmp_path):
    (tmp_path / "vectors.txt").write_text("what 1 2 3\nwho -1 -2 -3\n")
    done = run_py("model.vectors=vectors.txt", "embedding_size=3", "epochs=1", "hidden_size=4")
    assert done.returncode == 0, done.stderr
    done = run_py("model.vectors=vectors.txt", "embedding_size=4")
    assert (done.returncode, "vectors of width 3" in done.stderr) == (1, True)


@pytest.mark.real_data
def test_the_main_job_on_the_real_questions(run_py, tmp_path):
    environment = os.environ | {"RNNCLF_DATA": str(REAL_DATA)}
    done = run_py("dataset=questions", "cell=gru", "epochs=2", "lr=0.008", env=environment)
    assert done.returncode == 0, done.stderr
    result = result_of(tmp_path)
    assert (result["classes"], result["texts"]["test"]) == (50, 1488)
    assert result["test_accuracy"] > 0.6


def test_adamw_does_not_take_away_more_than_there_is(run_py):
    done = run_py("optimizer=adamw", "lr=1", "optimizer.weight_decay=1")
    assert done.returncode == 2
    assert "must be below 1; it is 1" in done.stderr
