"""`python run.py` as a process: what it leaves, what it repeats, how it fails."""

import csv
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import REAL_DATA, RUN_PY, composed, result_of

import rnnclf as package
from rnnclf.config import identity, load
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
        "confusion_matrix.png",
        "labels.txt",
        "learning_curves.png",
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
    right = sum(row["label"] == row["predicted"] for row in predictions)
    assert right / len(predictions) == result["val_accuracy"]
    for picture in ("confusion_matrix.png", "learning_curves.png"):
        assert (folder / picture).read_bytes().startswith(b"\x89PNG")

    assert f"test accuracy       {result['test_accuracy']:.4f}" in done.stdout
    assert str(folder) in done.stdout.splitlines()[-1]

    corpus = load_corpus("sample", tmp_path)
    predicted = package.load(folder).predict(corpus.test.texts)
    right = sum(a == b for a, b in zip(predicted, corpus.test.labels, strict=True))
    assert right / len(predicted) == result["test_accuracy"], "the saved model is the tested one"


def test_the_same_seed_gives_the_same_numbers_to_the_last_bit(run_py, tmp_path):
    options = (*TINY, "model.dropout=0.3", "model.word_dropout=0.2", "evaluate_test=false")
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        done = run_py(*options, f"seed={seed}", f"hydra.run.dir={name}")
        assert done.returncode == 0, done.stderr
    weights = {name: (tmp_path / name / "model.safetensors").read_bytes() for name in "abc"}
    assert weights["a"] == weights["b"] != weights["c"]

    def losses(name: str) -> list[float]:
        lines = (tmp_path / name / "metrics.jsonl").read_text().splitlines()
        return [json.loads(line)["train_loss"] for line in lines]

    assert losses("a") == losses("b")
    assert result_of(tmp_path / "a")["test_accuracy"] is None


def test_a_grid_runs_every_combination_and_never_reads_the_test_split(run_py, tmp_path):
    done = run_py("-m", *TINY, "cell=rnn,gru", "lr=0.001,0.01")
    assert done.returncode == 0, done.stderr
    results = [json.loads(path.read_text()) for path in tmp_path.rglob("result.json")]
    assert sorted(result["cell"] for result in results) == ["gru", "gru", "rnn", "rnn"]
    assert len({result["identity"] for result in results}) == 4
    assert all(result["test_accuracy"] is None for result in results)


def test_asking_for_the_test_split_in_a_grid_is_refused(run_py, tmp_path):
    done = run_py("-m", *TINY, "evaluate_test=true", "cell=rnn,gru")
    assert done.returncode == 2
    assert "evaluate_test=true in a sweep" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("result.json"))


def test_hydras_own_optuna_sweeper_works_with_it(run_py, tmp_path):
    done = run_py(
        "-m",
        "hydra/sweeper=optuna",
        "hydra.sweeper.direction=maximize",
        "hydra.sweeper.n_trials=3",
        "hydra.sweeper.n_jobs=1",
        *TINY,
        "lr=tag(log,interval(0.001,0.1))",
        "batch_size=choice(16,32)",
    )
    assert done.returncode == 0, done.stderr
    results = [json.loads(path.read_text()) for path in tmp_path.rglob("result.json")]
    assert len({result["identity"] for result in results}) == 3
    (summary,) = tmp_path.rglob("optimization_results.yaml")
    assert f"best_value: {max(result['val_accuracy'] for result in results)}" in summary.read_text()


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("dataset=question", "questions"),
        ("cell=gruu", "gru lstm rnn"),
        ("lrr=0.1", "Did you mean 'lr'?"),
        ("model.hiden_size=3", "Did you mean: 'hidden_size'?"),
        ("dropout=1.5", "There is no key 'dropout'. Did you mean 'model.dropout'?"),
        ("model.dropout=1.5", "model.dropout must be at least 0 and below 1; it is 1.5"),
        ("dataset=[sample,spam]", "for a run of each: -m dataset=sample,spam"),
        ("threads=100000", "threads must be below 1025"),
        ("dataset.folder=~/my texts", "needs quotes of its own"),
        ("+colour=red", "'colour'"),
        ("lr=fast", "optimizer.lr=fast"),
        ("seed=1.5", "Integer"),
        ("model.pooling=median", "'last', 'mean', 'max', 'attention'"),
        ("lr=-1", "optimizer.lr must be a number above 0; it is -1"),
        ("device=tpu", "device must be auto, cpu, cuda or cuda:N; it is tpu"),
        ("batch_size", "batch_size"),
    ],
)
def test_a_usage_error_is_one_line_and_exit_code_2(run_py, tmp_path, argument, message):
    done = run_py(argument)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert message in done.stderr
    assert not list(tmp_path.rglob("result.json"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("dataset=csv", "dataset.folder=nowhere"), "nowhere/train.csv: no such file"),
        (("model.vectors=gone.txt",), "gone.txt: no such file"),
        (("lr=1000", "optimizer=sgd", "optimizer.weight_decay=1000"), "try a lower lr"),
    ],
)
def test_a_failure_is_one_line_and_exit_code_1(run_py, tmp_path, arguments, message):
    done = run_py(*TINY, *arguments)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert message in done.stderr
    assert not list(tmp_path.rglob("result.json"))


def test_a_data_folder_without_permission_is_one_line(run_py, tmp_path):
    if os.geteuid() == 0:
        (tmp_path / "data").write_text("a file where a folder should be: root may write anywhere")
    else:
        (tmp_path / "data").mkdir(mode=0o500)
    environment = {k: v for k, v in os.environ.items() if k != "RNNCLF_DATA"}
    done = run_py("dataset=questions", env=environment)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "data" in done.stderr


def test_a_finished_run_is_never_overwritten(run_py, tmp_path):
    assert run_py(*TINY, "hydra.run.dir=here").returncode == 0
    before = {path: path.read_bytes() for path in (tmp_path / "here").glob("*.*s*")}
    done = run_py(*TINY, "hydra.run.dir=here", "seed=1")
    assert done.returncode == 2
    assert "holds a finished run" in done.stderr
    assert {path: path.read_bytes() for path in before} == before


def test_a_disk_that_is_full_leaves_no_half_written_file(tmp_path):
    def allow_small_files_only() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))

    command = [sys.executable, str(RUN_PY), *TINY]
    streams = {"stderr": subprocess.PIPE, "text": True}
    done = subprocess.run(
        command, cwd=tmp_path, preexec_fn=allow_small_files_only, check=False, **streams
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "model.safetensors" in done.stderr
    (folder,) = (tmp_path / "outputs" / "sample-gru").iterdir()
    names = {path.name for path in folder.iterdir()}
    assert names == {".hydra", "config.yaml", "labels.txt", "metrics.jsonl", "run.log"} | {
        "vocabulary.txt"
    }


def test_ctrl_c_keeps_what_was_finished(tmp_path):
    command = [sys.executable, str(RUN_PY), "epochs=10000", "hydra.run.dir=here"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    metrics = tmp_path / "here" / "metrics.jsonl"
    while not (metrics.exists() and len(metrics.read_text().splitlines()) >= 2):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert len(errors.splitlines()) == 1
    assert "interrupted after" in errors
    assert "here" in errors
    assert package.load(tmp_path / "here").predict(["Who was it?"])
    assert not (tmp_path / "here" / "result.json").exists()


def test_help_names_groups_short_names_and_keys(run_py):
    done = run_py("--help")
    for expected in ("dataset: csv, newsgroups", "lr -> optimizer.lr", "hidden_size: 128"):
        assert expected in done.stdout


def test_a_folder_of_ones_own_trains(run_py, tmp_path):
    folder = tmp_path / "my data é"
    folder.mkdir()
    rows = "".join(f"good {i},up\nbad {i},down\n" for i in range(20))
    (folder / "train.csv").write_text("sentence,label\n" + rows)
    (folder / "test.csv").write_text("sentence,label\ngood thing,up\nbad thing,down\n")
    done = run_py("dataset=csv", f'dataset.folder="{folder}"', "epochs=5", "lr=0.01")
    assert done.returncode == 0, done.stderr
    assert result_of(tmp_path)["test_accuracy"] == 1


def test_pretrained_vectors_are_used(run_py, tmp_path):
    (tmp_path / "vectors.txt").write_text("what 1 2 3\nwho -1 -2 -3\n")
    done = run_py("model.vectors=vectors.txt", "embedding_size=3", "epochs=1", "hidden_size=4")
    assert done.returncode == 0, done.stderr
    done = run_py("model.vectors=vectors.txt", "embedding_size=4")
    assert (done.returncode, "vectors of width 3" in done.stderr) == (1, True)


@pytest.mark.real_data
def test_the_main_job_on_the_real_questions(run_py, tmp_path):
    environment = os.environ | {"RNNCLF_DATA": str(REAL_DATA)}
    done = run_py("dataset=questions", "cell=gru", "epochs=4", "lr=0.003", env=environment)
    assert done.returncode == 0, done.stderr
    result = result_of(tmp_path)
    assert (result["classes"], result["texts"]["test"]) == (50, 1488)
    assert result["test_accuracy"] > 0.6


@pytest.mark.real_data
def test_an_altered_archive_is_refused(run_py, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    content = (Path(str(REAL_DATA)) / "rt-polaritydata.tar.gz").read_bytes()
    (data / "rt-polaritydata.tar.gz").write_bytes(content[:-100] + bytes(100))
    done = run_py("dataset=sentiment", "paths.data=data")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "rt-polaritydata.tar.gz" in done.stderr


def test_a_validation_loss_that_is_not_finite_is_no_result(run_py, tmp_path):
    """The weights become infinite in the last step, after its loss."""
    done = run_py(
        *("optimizer=sgd", "lr=1000", "optimizer.weight_decay=1000", "batch_size=58"),
        *("epochs=1", "hydra.run.dir=run"),
    )
    assert done.returncode == 1
    assert "loss" in done.stderr
    assert "try a lower lr" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "run" / "result.json").exists()


def test_classes_of_any_name_are_drawn_as_they_are(run_py, tmp_path):
    rows = "".join(f"text {i},$\\frac{{$\nwords {i},日本 🙂\n" for i in range(20))
    for name in ("train", "test"):
        (tmp_path / f"{name}.csv").write_text("sentence,label\n" + rows, encoding="utf-8")
    done = run_py("dataset=csv", "dataset.folder=.", "epochs=1", "hydra.run.dir=run")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "run" / "confusion_matrix.png").exists()


@pytest.mark.parametrize("size", ["model.hidden_size=1000000000", "embedding_size=1000000000"])
def test_a_model_that_does_not_fit_in_memory_is_one_line(run_py, size):
    done = run_py(size)
    assert done.returncode == 1
    assert done.stderr == (
        "error: there is not enough memory; try a smaller model, batch_size or max_length\n"
    )


def test_adamw_does_not_take_away_more_than_there_is(run_py):
    done = run_py("optimizer=adamw", "lr=1", "optimizer.weight_decay=1")
    assert done.returncode == 2
    assert "must be below 1; it is 1" in done.stderr
