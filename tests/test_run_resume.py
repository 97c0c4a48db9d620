"""An interrupted run goes on after the last finished epoch, to the same result."""

import json
import os
import random
import shutil
import signal
import time
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest
from foreign_study import trials_of
from hydra_study_sweeper.signals import Terminated
from processes import Program
from project import RUN_PY, composed
from safetensors.torch import load_file

from rnnclf.configuration.composed import to_yaml
from rnnclf.training.checkpoint import load_checkpoint, save_checkpoint
from rnnclf.training.run import train

SETTINGS = [
    *("epochs=12", "hidden_size=16", "embedding_size=16", "lr=0.01", "training.patience=6"),
    *("training.schedule=linear", "training.ema_decay=0.9", "model.dropout=0.3"),
    *("training.pretrain_epochs=1", "model.word_dropout=0.1", "model.wide_buckets=500"),
    "hydra.run.dir=run",
]


@pytest.fixture(scope="module")
def whole(made_once) -> Path:
    """The folder of the run without a break."""
    return made_once("whole", SETTINGS) / "run"


def wait_for_epochs(folder: Path, count: int) -> None:
    """Waits until so many epochs are in the checkpoint."""
    metrics, checkpoint = folder / "metrics.jsonl", folder / "checkpoint.safetensors"
    while not checkpoint.exists() or len(metrics.read_text().splitlines()) < count:
        time.sleep(0.01)


def without_times(folder: Path) -> tuple[list[dict], dict]:
    """What a run says of itself, less what differs between two runs of the same."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    times = ("seconds", "tokens_per_second", "started")
    result = json.loads((folder / "result.json").read_text())
    return (
        [{k: v for k, v in line.items() if k not in times} for line in lines],
        {k: v for k, v in result.items() if k not in times},
    )


def check_same(run: Path, whole: Path) -> None:
    assert without_times(run) == without_times(whole)
    expected = load_file(whole / "model.safetensors")
    for name, value in load_file(run / "model.safetensors").items():
        assert value.equal(expected[name]), name
    assert (run / "predictions.csv").read_text() == (whole / "predictions.csv").read_text()
    kept = {path.name for path in run.iterdir()} - {".hydra"}
    assert kept == {path.name for path in whole.iterdir()} - {".hydra"}


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGKILL, -signal.SIGKILL, ""),
        (signal.SIGTERM, 143, "error: terminated after {} of 12 epochs; {} resume=run continues"),
        (signal.SIGINT, 130, "error: interrupted after {} of 12 epochs; {} resume=run continues"),
    ],
)
def test_a_run_that_was_ended_goes_on_as_if_it_had_not(
    run_py, start_run_py, tmp_path, whole, number, code, said
):
    process = start_run_py(*SETTINGS)
    wait_for_epochs(tmp_path / "run", 2)
    process.send_signal(number)
    ended = process.wait(timeout=60)
    assert ended.returncode == code
    finished = len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines())
    assert said.format(finished, f"python {RUN_PY}") in ended.stderr
    assert not (tmp_path / "run" / "result.json").exists()
    half = tmp_path / "run" / ".unfinished-by-a-killed-process"
    half.mkdir()
    (half / "checkpoint.safetensors").write_bytes(b"half")
    done = run_py("resume=run")
    assert done.returncode == 0, done.stderr
    assert "continuing after epoch" in done.stdout
    assert "pretraining" not in done.stdout
    check_same(tmp_path / "run", whole)


def test_an_interruption_is_told_though_cleaning_up_fails_on_top_of_it(tmp_path, monkeypatch):
    def interrupted(*_):
        try:
            raise Terminated("terminated")
        finally:
            os.close(-1)

    monkeypatch.setattr("rnnclf.training.run.save_checkpoint", interrupted)
    (tmp_path / "run").mkdir()
    config = composed("epochs=2", "hidden_size=8", "embedding_size=8")
    with pytest.raises(Terminated, match=r"terminated after 1 of 2 epochs; .* continues"):
        train(config, tmp_path / "run")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_thirty_kills_at_any_moment_change_nothing(run_py, start_run_py, tmp_path, made_once):
    """Also while a checkpoint is written: with this embedding that is most of an epoch's time."""
    settings = [*SETTINGS, "epochs=200", "training.patience=200", "model.ngram_buckets=20000"]
    whole = made_once("long", settings) / "run"
    chance, done = random.Random(2), 0
    for _ in range(30):
        process = start_run_py(*(["resume=run"] if done else settings))
        wait_for_epochs(tmp_path / "run", done + 1)
        time.sleep(chance.uniform(0, 0.2))
        process.kill()
        done = len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines())
    assert done < 200, "this test wants a longer run"
    assert run_py("resume=run").returncode == 0
    check_same(tmp_path / "run", whole)


def test_a_trial_whose_worker_was_killed_goes_on_in_its_folder(start_run_py, tmp_path):
    """The first is lost after two epochs or more; the second has what it left, and continues it."""
    sizes = ["hidden_size=16", "embedding_size=16", "batch_size=16"]
    study = ["-m", "sweeps=smoke", "cell=gru", "epochs=12", "n_trials=1", "workers=1", *sizes]
    process = start_run_py(*study, "hydra.sweep.dir=study", "hydra.sweeper.refit.seeds=0")
    wait_for_epochs(tmp_path / "study" / "0", 2)
    os.kill(trials_of(tmp_path / "study")[0].user_attrs["worker"]["pid"], signal.SIGKILL)
    done = process.wait(timeout=60)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "study" / "0").exists()
    metrics, _ = without_times(tmp_path / "study" / "1")
    assert [line["epoch"] for line in metrics] == list(range(1, 13))
    assert "continuing after epoch" in (tmp_path / "study" / "1" / "run.log").read_text()
    values = trials_of(tmp_path / "study")[1].intermediate_values
    assert list(values) == list(range(1, 13)), "what was reported before is reported again"


def test_a_run_has_its_folder_for_itself(run_py, start_run_py, tmp_path):
    process = start_run_py(*SETTINGS)
    wait_for_epochs(tmp_path / "run", 1)
    process.send_signal(signal.SIGSTOP)  # it cannot end before the second begins
    second = run_py("resume=run")
    process.kill()
    assert second.returncode == 2
    assert second.stderr == f"error: {tmp_path / 'run'}: another process is training there\n"


def test_the_machine_may_be_another_when_a_run_goes_on(run_py, tmp_path):
    config = composed("epochs=1", "hidden_size=8", "embedding_size=8", "seed=3", "threads=2")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text(to_yaml(config))
    done = run_py("resume=run", "threads=1", "device=cpu")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "run" / "result.json").read_text())["config"]
    assert (found["seed"], found["threads"], found["device"]) == (3, 1, "cpu")


@pytest.mark.slow
def test_fifty_runs_started_at_once_have_fifty_folders(run_py, tmp_path):
    settings = ["epochs=1", "hidden_size=4", "embedding_size=4"]
    with ThreadPool(50) as threads:
        runs = threads.map(lambda seed: run_py(*settings, f"seed={seed}"), range(50))
    assert [run.returncode for run in runs] == [0] * 50
    results = [json.loads(path.read_text()) for path in tmp_path.rglob("result.json")]
    assert sorted(result["seed"] for result in results) == list(range(50))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["resume=nowhere"], "resume=nowhere: there is no run in this folder"),
        (["resume=run", "lr=0.1"], "lr=0.1: a resumed run keeps its configuration; leave this out"),
        (["resume=run"], "holds a finished run; nothing was changed there"),
    ],
)
def test_what_cannot_be_resumed(run_py, tmp_path, whole, arguments, message):
    (tmp_path / "run").symlink_to(whole)
    before = (whole / "result.json").stat()
    done = run_py(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert (whole / "result.json").stat() == before
    assert not (tmp_path / "nowhere").exists()


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> Path:
    """The folder of a run that was killed after its first epoch; copy it before changing it."""
    folder = tmp_path_factory.mktemp("killed")
    with Program(RUN_PY, *SETTINGS, cwd=folder):
        wait_for_epochs(folder / "run", 1)
    return folder / "run"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "not a whole checkpoint"),
        (lambda path: save_checkpoint(without_optimizer(path), path), "does not fit this model"),
    ],
    ids=["damaged", "of another version"],
)
def test_a_checkpoint_that_cannot_be_used_is_said_to_be_one(
    run_py, killed, tmp_path, change, message
):
    shutil.copytree(killed, tmp_path / "run")
    checkpoint = tmp_path / "run" / "checkpoint.safetensors"
    change(checkpoint)
    done = run_py("resume=run")
    assert done.returncode == 1
    assert done.stderr == f"error: {checkpoint}: {message}; delete it to start again\n"


def test_a_run_does_not_go_on_with_other_texts(run_py, start_run_py, tmp_path):
    (tmp_path / "data").mkdir()
    for name, count in (("train", 60), ("test", 2)):
        rows = "".join(f"text {number},{number % 2}\n" for number in range(count))
        (tmp_path / "data" / f"{name}.csv").write_text(f"sentence,label\n{rows}")
    own = [*SETTINGS, "dataset=csv", "dataset.folder=data", "epochs=500", "training.patience=500"]
    process = start_run_py(*own)
    wait_for_epochs(tmp_path / "run", 1)
    process.kill()
    with (tmp_path / "data" / "train.csv").open("a") as file:
        file.write("one more,1\n")
    done = run_py("resume=run")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert (
        "data/train.csv, data/test.csv: not the texts with which the run in run was begun"
        in done.stderr
    )
    assert not (tmp_path / "run" / "result.json").exists()


def without_optimizer(path: Path) -> dict:
    state = load_checkpoint(path)
    del state["trainer"]["optimizer"]
    return state
