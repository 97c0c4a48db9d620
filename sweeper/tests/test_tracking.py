"""A study in a tracker, read back from what the tracker keeps on this machine."""

import json
import logging
import os
import pty
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from functools import partial
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import ClassVar

import pytest
from foreign_study import FOREIGN_APP
from hydra_study_sweeper import read_trial
from hydra_study_sweeper.errors import ConfigError
from hydra_study_sweeper.records import State
from hydra_study_sweeper.tracking import mirror
from hydra_study_sweeper.tracking.entry import Entry
from hydra_study_sweeper.tracking.mirror import Mirror
from processes import run_program

# Not `importorskip`: it takes two seconds to import, in each process of the tests.
pytestmark = pytest.mark.skipif(find_spec("mlflow") is None, reason="there is no mlflow here")
REFIT = "hydra.sweeper.refit.seeds=1"


def complaints(done: "subprocess.CompletedProcess[str]") -> str:
    """Everything on the screen, but that a slow tracker is waited for."""
    lines = (done.stdout + done.stderr).splitlines()
    return "\n".join(line for line in lines if "waiting for tracking=" not in line)


@pytest.fixture
def tracked(tmp_path, monkeypatch):
    """Runs the study with a tracker in an empty folder, and lines of Python before it."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file:{tmp_path}/mlruns")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # its database takes seconds to make
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))

    def run(tracker: str, *arguments: str, before: str = ""):
        command = ["-m", f"hydra.sweeper.tracking={tracker}", *arguments]
        program = FOREIGN_APP
        if before:
            program = tmp_path / "app.py"
            program.write_text(
                f"import runpy, sys\n{before}\nsys.argv[0] = {str(FOREIGN_APP)!r}\n"
                "runpy.run_path(sys.argv[0], run_name='__main__')\n"
            )
        return run_program(program, *command, cwd=tmp_path)

    return run


@pytest.mark.filterwarnings("ignore::Warning")  # MLflow's own
def test_mlflow_has_a_study_with_its_trials_below_it_and_continues_it(tracked, tmp_path):
    command = ["steps=3", "hydra/sweeper/pruner=asha", "hydra.sweeper.sampler.seed=0"]  # prunes
    command.append("hydra.sweeper.names.value='F1 (macro)'")  # MLflow takes no brackets
    for trials in (["hydra.sweeper.n_trials=2"], ["hydra.sweeper.n_trials=9", REFIT]):
        done = tracked("mlflow", *command, *trials)
        assert done.returncode == 0 and "tracking=" not in complaints(done), done.stdout
    from mlflow import MlflowClient

    client = MlflowClient(f"file:{tmp_path}/mlruns")
    runs = {run.info.run_name: run for run in client.search_runs(["0"])}
    study = runs.pop("study")
    assert len(client.search_runs(["0"])) == len(runs) + 1, "nothing is there twice"
    assert {run.data.tags["mlflow.parentRunId"] for run in runs.values()} == {study.info.run_id}
    record = json.loads((tmp_path / "study" / "study.json").read_text())
    (best,) = record["best"]
    assert study.info.status == "FINISHED"
    assert study.data.metrics["result/best F1 _macro_"] == best["values"][0]
    files = {file.path for file in client.list_artifacts(study.info.run_id)}
    assert files == {"study.json", "best.yaml", "trials.csv", "figures.html"}
    states = Counter()
    for number in range(9):
        trial, run = read_trial(tmp_path / "study" / str(number)), runs[f"trial-{number}"]
        states[trial.state] += 1
        assert run.data.tags["state"] == trial.state
        assert run.data.params == {key: str(value) for key, value in trial.params.items()}
        history = client.get_metric_history(run.info.run_id, "F1 _macro_")
        steps = [one.step for one in history]
        assert steps == list(range({"complete": 3, "pruned": len(steps)}[trial.state]))
    assert states["pruned"] > 0


@pytest.mark.filterwarnings("ignore::Warning")  # MLflow's own
def test_mlflow_finds_an_entry_again_whose_names_it_does_not_take(tmp_path, monkeypatch):
    from hydra_study_sweeper.tracking.mlflow import Tracker

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file:{tmp_path}/mlruns")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    entry = Entry("key", "run", None, "running", {"db@first": "x"}, {"F1 (macro)": {0: 0.5}})
    for step in range(2):
        tracker = Tracker(tmp_path)
        assert tracker.begin(entry)
        tracker.update(entry, {("F1 (macro)", step): 0.5})
    from mlflow import MlflowClient

    (run,) = MlflowClient(f"file:{tmp_path}/mlruns").search_runs(["0"])
    history = MlflowClient(f"file:{tmp_path}/mlruns").get_metric_history(
        run.info.run_id, "F1 _macro_"
    )
    assert [one.step for one in history] == [0, 1]


def test_two_commands_at_once_make_one_database_of_mlflow(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "new")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    make = (
        "from pathlib import Path\n"
        "from hydra_study_sweeper.tracking.entry import Entry\n"
        "from hydra_study_sweeper.tracking.mlflow import Tracker\n"
        "Tracker(Path()).begin(Entry('key', 'run', None, 'running', {}))"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", make], stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said


def test_tensorboard_has_event_files_of_each_trial(tracked, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for trials in (1, 2):
        command = (f"hydra.sweeper.n_trials={trials}", "steps=3")
        tracked("tensorboard", *command).check_returncode()
    for number in range(2):
        events = EventAccumulator(str(tmp_path / f"study/tensorboard/trial-{number}")).Reload()
        assert [one.step for one in events.Scalars("value")] == [0, 1, 2]


def test_wandb_has_an_offline_folder_of_each_trial_also_of_a_continued_study(tracked, tmp_path):
    for trials in (["hydra.sweeper.n_trials=1"], ["hydra.sweeper.n_trials=2", REFIT]):
        tracked("wandb", "steps=3", *trials).check_returncode()
    names = [folder.name.split("-", 4)[-1] for folder in tmp_path.glob("wandb/offline-run-*")]
    assert {name: names.count(name) for name in names if "trial" in name} == {
        "trial-0": 1,
        "trial-1": 1,
    }
    assert all(file.stat().st_size for file in tmp_path.glob("wandb/*/run-*.wandb"))


def steps_in(path: Path) -> list[int]:
    """Reads the steps in an offline file of W&B: records in the format of LevelDB's logs."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, at, whole, steps = path.read_bytes(), 7, b"", []
    while at + 7 <= len(content):
        length, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        whole += content[at + 7 : at + 7 + length]
        at += 7 + length
        if 2**15 - at % 2**15 < 7:  # too little is left of the block for another record
            at += 2**15 - at % 2**15
        if kind in (1, 4):  # otherwise the record goes on in the next block
            record, whole = Record.FromString(whole), b""
            steps += [record.history.step.num] if record.HasField("history") else []
    return steps


def test_wandb_gets_the_points_of_a_resumed_run_once(tmp_path, monkeypatch):
    import wandb

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")

    def read(epochs: int, key: str, state: State) -> list[Entry]:
        series = {name: dict.fromkeys(range(epochs), 0.5) for name in ("loss", "accuracy")}
        return [Entry(key, "run", None, state, {}, series)]

    for epochs in (2, 4):
        with Mirror("wandb", tmp_path, partial(read, epochs)):
            pass
    wandb.teardown()
    sent = [steps_in(path) for path in sorted(tmp_path.glob("wandb/offline-run-*/run-*.wandb"))]
    assert sent == [[0, 1], [2, 3]]


def test_trackio_has_a_study_with_its_trials_in_its_group_and_continues_it(tracked, tmp_path):
    command = ["steps=3", "hydra/sweeper/pruner=asha", "hydra.sweeper.sampler.seed=0"]  # prunes
    for trials in (["hydra.sweeper.n_trials=2"], ["hydra.sweeper.n_trials=4", REFIT]):
        done = tracked("trackio", *command, *trials)
        assert done.returncode == 0 and "rackio" not in complaints(done), done.stdout
    with closing(sqlite3.connect(tmp_path / "trackio/default.db")) as database:
        read = database.cursor().execute
        rows = read("SELECT run_name, step, metrics FROM metrics ORDER BY id").fetchall()
        configs = {
            name: json.loads(text) for name, text in read("SELECT run_name, config FROM configs")
        }
        (manifests,) = zip(*read("SELECT manifest FROM artifact_versions"), strict=True)
    assert {config["_Group"] for config in configs.values()} == {str(tmp_path / "study")}
    assert {name.rstrip("0123456789-") for name in configs} == {"study", "trial", "refit-of"}
    (best,) = json.loads((tmp_path / "study/study.json").read_text())["best"]
    results = [json.loads(text) for name, _, text in rows if name == "study"]
    assert results[-1]["result/best value"] == best["values"][0]
    assert configs["study"]["refit of trial"] == str(best["number"])
    assert all("study.json" in manifest for manifest in manifests)
    for number in range(4):
        trial, config = read_trial(tmp_path / "study" / str(number)), configs[f"trial-{number}"]
        assert config["state"] == trial.state
        assert trial.params.items() <= config.items()
        steps = [
            step
            for name, step, text in rows
            if name == f"trial-{number}" and "value" in json.loads(text)
        ]
        assert steps == list(range({"complete": 3, "pruned": len(steps)}[trial.state]))


def test_trackio_gets_a_study_once_whose_command_is_repeated(tmp_path, monkeypatch):
    from trackio import sqlite_storage

    monkeypatch.setattr(sqlite_storage, "TRACKIO_DIR", tmp_path)
    (tmp_path / "study.json").write_text("{}")

    def read(key: str, state: State) -> list[Entry]:
        files = (tmp_path / "study.json",)
        return [Entry(key, "study", None, state, {}, values={"best": 0.5}, files=files)]

    for _ in range(2):
        with Mirror("trackio", tmp_path, read):
            pass
    with closing(sqlite3.connect(tmp_path / "default.db")) as database:
        for table in ("metrics", "artifact_versions"):
            assert database.execute(f"SELECT count(*) FROM {table}").fetchall() == [(1,)], table


class Flaky:
    """A tracker that is down at its second, third and fourth update."""

    updates = 0
    points: ClassVar[list[int]] = []

    def __init__(self, folder: Path) -> None: ...

    def begin(self, entry: Entry) -> bool:
        return True

    def update(self, entry: Entry, points: dict[tuple[str, int], float]) -> None:
        type(self).updates += 1
        if self.updates in (2, 3, 4):
            raise ConnectionError("down")
        self.points.extend(step for _, step in points)

    def close(self) -> None: ...


def test_a_tracker_that_comes_back_gets_what_it_missed(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(mirror, "EVERY", 0.01)
    monkeypatch.setattr(mirror, "tracker_class", lambda _: Flaky)
    looks = count(1)

    def read(key: str, state: State) -> list[Entry]:
        return [
            Entry(key, "run", None, state, {}, {"loss": dict.fromkeys(range(next(looks)), 0.5)})
        ]

    with Mirror("flaky", tmp_path, read):
        while Flaky.updates < 6:
            time.sleep(0.01)
    assert Flaky.points == list(range(len(Flaky.points)))
    assert caplog.messages == ["tracking=flaky: ConnectionError: down; nothing else is affected"]


class Slow(Flaky):
    """A tracker that is opened for longer than an answer may take."""

    updates = 5
    points: ClassVar[list[int]] = []

    def __init__(self, folder: Path) -> None:
        time.sleep(0.3)


def test_a_database_that_is_being_made_is_waited_for(tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO, mirror.log.name)
    monkeypatch.setattr(mirror, "PATIENCE", 0.1)
    monkeypatch.setattr(mirror, "SILENT", 0.1)
    monkeypatch.setattr(mirror, "tracker_class", lambda _: Slow)
    entry = Entry("key", "run", None, "complete", {}, {"loss": {0: 0.5}})
    with Mirror("slow", tmp_path, lambda *_: [entry]):
        pass
    assert (Slow.points, caplog.messages) == ([0], ["waiting for tracking=slow"])


def test_a_record_that_cannot_be_read_costs_a_line(tmp_path, monkeypatch, caplog):
    def fail(*_: object) -> None:
        raise MemoryError("too large")

    monkeypatch.setattr(mirror, "read_record", fail)
    with Mirror("tensorboard", tmp_path, lambda *_: []):
        pass
    assert caplog.messages == [
        "tracking=tensorboard: MemoryError: too large; nothing else is affected"
    ]


def test_a_tracker_that_is_down_costs_a_line_and_no_trial(tracked, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    done = tracked("mlflow", "hydra.sweeper.n_trials=2", "steps=3")
    assert done.returncode == 0
    assert done.stdout.count("tracking=mlflow: ") == 1
    assert json.loads((tmp_path / "study/study.json").read_text())["finished"]


def test_wandb_without_a_login_costs_a_line_and_asks_no_question(tmp_path, monkeypatch):
    for name in ("HOME", "NETRC", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    study = ("-m", "hydra.sweeper.tracking=wandb", "hydra.sweeper.n_trials=1", "steps=1")
    command = [sys.executable, str(FOREIGN_APP), *study]
    terminal, program = pty.openpty()  # it asks at a terminal only
    done = subprocess.run(
        command, cwd=tmp_path, stdin=program, stdout=subprocess.PIPE, stderr=program, check=False
    )
    os.close(program)
    os.close(terminal)
    assert done.returncode == 0
    assert b"tracking=wandb: UsageError: No API key configured" in done.stdout


def test_a_tracker_that_never_answers_holds_the_command_up_for_a_while_only(
    tracked, tmp_path, monkeypatch
):
    sooner = "import hydra_study_sweeper.tracking.mirror as mirror; mirror.PATIENCE = 0.5"
    with socket.create_server(("127.0.0.1", 0)) as server:  # it accepts, and that is all
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.getsockname()[1]}")
        done = tracked("mlflow", "hydra.sweeper.n_trials=2", "steps=3", before=sooner)
    assert done.returncode == 0
    assert done.stdout.count("tracking=mlflow: ") == done.stdout.count("no answer for") == 1
    assert json.loads((tmp_path / "study/study.json").read_text())["finished"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mlfow", "tracking is tensorboard, mlflow, wandb"),
        ("no.Tracker", "tracking=no.Tracker: ImportError: Error loading 'no.Tracker'"),
        ("os.path", "tracking=os.path: ValueError: Located non-class"),
    ],
)
def test_a_tracker_that_is_not_there_is_told_in_a_line(name, said):
    with pytest.raises(ConfigError) as caught:
        mirror.tracker_class(name)
    assert str(caught.value).count(said) == 1
    assert "\n" not in str(caught.value)


def test_a_tracker_that_is_not_there_is_refused_before_the_first_trial(tracked, tmp_path):
    done = tracked("mlflow", before="sys.modules['mlflow'] = None")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    said = "pip install 'hydra-study-sweeper[mlflow]'"
    assert (done.stdout + done.stderr).count(said) == 1
    assert not (tmp_path / "study").exists()
