"""A single run and a grid in a tracker, read back from what the tracker keeps on this machine."""

import json
import signal
import sqlite3
import time
from contextlib import closing
from importlib.util import find_spec

import pytest

# Not `importorskip`: it takes two seconds to import, in each process of the tests.
pytestmark = pytest.mark.skipif(find_spec("mlflow") is None, reason="there is no mlflow here")
SMALL = ("hidden_size=8", "embedding_size=8")


@pytest.mark.filterwarnings("ignore::Warning")  # MLflow's own
def test_a_resumed_run_continues_its_entry(run_py, start_run_py, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file:{tmp_path}/mlruns")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # its database takes seconds to make
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    process = start_run_py("tracking=mlflow", *SMALL, "epochs=8", "hydra.run.dir=run")
    while not (tmp_path / "run/checkpoint.safetensors").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    ended = process.wait(timeout=60)
    from mlflow import MlflowClient

    client = MlflowClient(f"file:{tmp_path}/mlruns")
    (run,) = client.search_runs(["0"])
    assert (ended.returncode, run.info.status) == (143, "KILLED")
    done = run_py("resume=run", "tracking=mlflow")
    assert done.returncode == 0, done.stderr
    (run,) = client.search_runs(["0"])
    result = json.loads((tmp_path / "run/result.json").read_text())
    epochs = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").open()]
    assert (run.info.status, run.info.run_name) == ("FINISHED", f"{tmp_path.name}/run")
    assert run.data.params["model.hidden_size"] == "8"
    assert run.data.metrics["result/test_accuracy"] == result["test_accuracy"]
    history = client.get_metric_history(run.info.run_id, "val_loss")
    assert {point.step: point.value for point in history} == {
        epoch["epoch"]: epoch["val_loss"] for epoch in epochs
    }
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    card = (tmp_path / "run/README.md").read_text()
    assert card.startswith("# run\n") and f"| {result['test_accuracy']:.4f} |" in card
    assert files == {"config.yaml", "result.json", "README.md"}


def test_each_run_of_a_grid_has_an_entry(run_py, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    grid = ("-m", "cell=rnn,gru", "tracking=tensorboard", "hydra.sweep.dir=grid")
    run_py(*grid, *SMALL, "epochs=2").check_returncode()
    for number in range(2):
        events = EventAccumulator(str(tmp_path / f"grid/{number}/tensorboard")).Reload()
        assert [one.step for one in events.Scalars("val_accuracy")] == [1, 2]


def test_the_models_of_a_refit_have_their_cards(run_py, tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    study = ("-m", "sweeps=smoke", "cell=gru", "n_trials=1", "workers=1", "hydra.sweep.dir=study")
    run_py(*study, *SMALL, "epochs=1", "tracking=trackio").check_returncode()
    cards = {str(path.parent.relative_to(tmp_path)) for path in tmp_path.rglob("README.md")}
    assert cards == {
        str(p.parent.relative_to(tmp_path)) for p in tmp_path.glob("study/refit*/*/result.json")
    }
    with closing(sqlite3.connect(tmp_path / "trackio/default.db")) as database:
        (sent,) = zip(*database.execute("SELECT manifest FROM artifact_versions"), strict=True)
    assert sum("README.md" in manifest for manifest in sent) == len(cards) > 0


def test_a_tracker_is_refused_before_the_run(run_py, tmp_path):
    done = run_py("tracking=mlfow", *SMALL)
    assert done.returncode == 2
    assert done.stderr.startswith("error: tracking is tensorboard, mlflow, wandb, trackio or")
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.glob("outputs/*"))
