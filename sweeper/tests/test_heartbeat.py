"""Whether a worker still lives, as its own host and as others see it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hydra_study_sweeper.paths import StudyPaths
from hydra_study_sweeper.storage.heartbeat import is_gone, process_identity

WORKER = """
import json, sys, time
from pathlib import Path
import psutil
clock = psutil.Process.create_time
psutil.Process.create_time = lambda self: clock(self) + float(sys.argv[2])
from hydra_study_sweeper.storage.heartbeat import presence, process_identity
from hydra_study_sweeper.paths import StudyPaths
with presence(StudyPaths(Path(sys.argv[1]))):
    print(json.dumps(process_identity()), flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize(
    ("renamed", "seconds"),
    [(False, 0), (True, 0), (False, 3600), (False, -3600)],
    ids=["same host", "host has another name", "clock was set back", "clock was set forward"],
)
def test_a_worker_lives_until_its_process_ends(renamed, seconds, tmp_path: Path, monkeypatch):
    command = [sys.executable, "-c", WORKER, str(tmp_path), str(seconds)]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with worker:
        identity = json.loads(worker.stdout.readline())
        if renamed:
            monkeypatch.setattr("socket.gethostname", lambda: "another")
        assert not is_gone(identity, StudyPaths(tmp_path))
        worker.kill()
    assert is_gone(identity, StudyPaths(tmp_path))


def test_a_worker_elsewhere_that_does_not_share_the_folder_is_believed_to_live(tmp_path):
    identity = {"host": "far away", "pid": 1, "started": 0.0}
    assert not is_gone(identity, StudyPaths(tmp_path))


def test_another_process_with_the_number_of_a_worker_is_not_that_worker(tmp_path):
    worker = process_identity() | {"started": 0.0}
    assert is_gone(worker, StudyPaths(tmp_path))
