"""`rnnclf dashboard`: a real process, asked over loopback."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import optuna
import pytest
from hydra_study_sweeper import StudyPaths
from hydra_study_sweeper.storage.journal import open_journal
from project import RNNCLF


@pytest.fixture
def study(tmp_path) -> optuna.Study:
    """A study of two trials, in the folder `study`."""
    paths = StudyPaths(tmp_path / "study")
    paths.folder.mkdir()
    study = optuna.create_study(
        storage=open_journal(paths), study_name="mine", direction="maximize"
    )
    for value in (0.1, 0.2):
        trial = study.ask()
        trial.suggest_float("x", 0, 1)
        study.tell(trial, value)
    return study


@contextmanager
def dashboard(folder: Path) -> Iterator[str]:
    """Serves a study; yields the address. At the end it is interrupted as by Ctrl-C."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}/"
    command = [RNNCLF, "dashboard", str(folder), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert address in process.stdout.readline()
            wait_until_it_answers(address)
            yield address
        finally:
            time.sleep(0.5)  # wsgiref swallows a Ctrl-C that comes while it ends a request
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0


def wait_until_it_answers(address: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            urlopen(address, timeout=5).close()
        except URLError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return


def values_of(address: str) -> list[float]:
    with urlopen(f"{address}api/studies/0?after=0", timeout=20) as response:
        return [trial["values"][0] for trial in json.load(response)["trials"]]


def test_a_study_is_served_to_this_machine_and_cannot_be_changed(study, tmp_path):
    journal = StudyPaths(tmp_path / "study").journal
    with dashboard(tmp_path / "study") as address:
        assert values_of(address) == [0.1, 0.2]
        before = journal.read_bytes()
        with pytest.raises(HTTPError) as caught:
            urlopen(Request(f"{address}api/studies/0", method="DELETE"), timeout=20)
        caught.value.close()
        assert values_of(address) == [0.1, 0.2]
        assert journal.read_bytes() == before
        values_of(address.replace("127.0.0.1", "localhost"))
        port = int(address.rpartition(":")[2].strip("/"))
        with socket.create_connection(("127.0.0.1", port)):  # as browsers open them for later
            assert values_of(address) == [0.1, 0.2]
        for name in ("evil.example", f"evil.example:{address[17:-1]}", "127.0.0.1.evil.example"):
            with pytest.raises(HTTPError, match="403") as caught:
                urlopen(Request(f"{address}api/studies", headers={"Host": name}), timeout=20)
            caught.value.close()


def test_what_is_wrong_is_one_line(study, tmp_path, rnnclf):
    done = rnnclf("dashboard", str(tmp_path))
    assert (done.returncode, done.stderr) == (
        1,
        f"error: {tmp_path}: there is no study.journal of a study\n",
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = rnnclf("dashboard", str(tmp_path / "study"), "--port", str(port))
        assert done.returncode == 1
        assert done.stderr.endswith("choose another --port\n")
    for content, message in (("no JSON\n", "line 1, is damaged"), ("", "has 0 studies in it")):
        StudyPaths(tmp_path / "study").journal.write_text(content)
        done = rnnclf("dashboard", str(tmp_path / "study"))
        assert done.returncode == 1
        assert message in done.stderr
        assert len(done.stderr.splitlines()) == 1
