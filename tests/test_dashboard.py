"""`rnnclf dashboard`: a real process, asked over loopback."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import optuna
import pytest
from hydra_study_sweeper.paths import StudyPaths
from hydra_study_sweeper.storage.journal import find_journals, open_journals
from hydra_study_sweeper.storage.locks import open_storage

COMMAND = [str(Path(sys.executable).with_name("rnnclf")), "dashboard"]


def make_study(folder: Path, name: str, values: list[float]) -> optuna.Study:
    folder.mkdir(parents=True)
    storage = open_storage(None, StudyPaths(folder))
    study = optuna.create_study(storage=storage, study_name=name, direction="maximize")
    add_trials(study, values)
    return study


def add_trials(study: optuna.Study, values: list[float]) -> None:
    for value in values:
        trial = study.ask()
        trial.suggest_float("x", 0, 1)
        study.tell(trial, value)


@contextmanager
def dashboard(place: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its address; at the end it is interrupted as by Ctrl-C."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(COMMAND, cwd=place, **streams) as process:
        try:
            line = process.stdout.readline()
            yield process, line.split(" on ")[1].split()[0]
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
            assert process.stderr.read() == ""


def ask(address: str) -> dict:
    with urlopen(address, timeout=20) as response:
        return json.load(response)


def trials_by_study(address: str) -> dict[str, list[float]]:
    studies = ask(f"{address}api/studies")["study_summaries"]
    return {
        study["study_name"]: [
            trial["values"][0]
            for trial in ask(f"{address}api/studies/{study['study_id']}?after=0")["trials"]
        ]
        for study in studies
    }


def test_all_studies_are_served_on_loopback(tmp_path):
    outputs = tmp_path / "outputs"
    make_study(outputs / "a", "study", [0.1, 0.2])
    make_study(outputs / "b", "study", [0.3])
    make_study(outputs / "b" / "refit-of-0", "refit", [0.4, 0.5])
    with dashboard(tmp_path) as (_, address):
        assert address.startswith("http://127.0.0.1:")
        with urlopen(address, timeout=20) as response:
            assert "Optuna" in response.read().decode()
        expected = {
            "study": [0.1, 0.2],
            "study (outputs/b/study.journal)": [0.3],
            "refit": [0.4, 0.5],
        }
        assert trials_by_study(address) == expected


def test_new_trials_appear(tmp_path):
    first = make_study(tmp_path / "a", "first", [0.1])
    second = make_study(tmp_path / "b", "second", [0.2])
    storage = open_journals(find_journals([tmp_path]))
    add_trials(second, [0.3])
    add_trials(first, [0.4])
    add_trials(second, [0.5])
    for name, values in (("first", [0.1, 0.4]), ("second", [0.2, 0.3, 0.5])):
        study = optuna.load_study(study_name=name, storage=storage)
        assert [trial.value for trial in study.trials] == values


def test_nothing_can_be_changed_in_it(tmp_path):
    make_study(tmp_path / "outputs", "study", [0.1])
    journal = StudyPaths(tmp_path / "outputs").journal
    before = journal.read_bytes()
    with dashboard(tmp_path) as (_, address):
        with pytest.raises(HTTPError, match="403"):
            urlopen(Request(f"{address}api/studies/0", method="DELETE"), timeout=20)
        assert trials_by_study(address) == {"study": [0.1]}
    assert journal.read_bytes() == before


def test_what_is_wrong_is_one_line(tmp_path, rnnclf):
    done = rnnclf("dashboard", str(tmp_path))
    assert (done.returncode, done.stderr) == (
        1,
        f"error: {tmp_path}: no study with a journal is there\n",
    )
    make_study(tmp_path / "study", "study", [0.1])
    journal = StudyPaths(tmp_path / "study").journal
    with dashboard_on(tmp_path) as port:
        done = rnnclf("dashboard", str(tmp_path), "--port", port)
        assert done.returncode == 1
        assert done.stderr.endswith("choose another with --port\n")
    journal.write_text("no JSON\n")
    done = rnnclf("dashboard", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {journal} cannot be read")
    assert len(done.stderr.splitlines()) == 1


@contextmanager
def dashboard_on(place: Path) -> Iterator[str]:
    """A dashboard; the port that it takes."""
    (place / "outputs").symlink_to(place / "study")
    with dashboard(place) as (_, address):
        yield address.rstrip("/").split(":")[-1]
