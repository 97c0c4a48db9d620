"""GPUs shared out among workers; no GPU is needed to say which is whose."""

import os
import subprocess
import sys

import pytest

from rnnclf.study.devices import one_gpu, visible_gpus, worker_environments

WORKER = """
import os, sys
from rnnclf.study.devices import one_gpu
with one_gpu(int(sys.argv[1])):
    print(os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
    sys.stdin.read()
"""


def test_each_local_worker_has_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-abc")
    assert visible_gpus() == ["2", "GPU-abc"]
    shares = worker_environments("auto")
    assert shares == [{"CUDA_VISIBLE_DEVICES": "2"}, {"CUDA_VISIBLE_DEVICES": "GPU-abc"}]
    assert worker_environments(3)[2] == shares[0], "more workers than GPUs were asked for"


def test_no_gpu_is_none(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert visible_gpus() == []
    with one_gpu(1):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "-1"


def test_jobs_of_launchers_on_one_machine_take_different_gpus(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # other tests may hold locks in the usual one
    workers = [start(number) for number in (0, 2)]  # by number alone, both would take the first
    taken = [worker.stdout.readline().strip() for worker in workers]
    assert sorted(taken) == ["0", "1"]
    third = start(3)
    assert third.stdout.readline().strip() == "1", "none is free: in turns"
    workers[taken.index("0")].communicate()
    fourth = start(3)
    assert fourth.stdout.readline().strip() == "0", "its holder has ended"
    for worker in (*workers, third, fourth):
        worker.kill()
        worker.communicate()


def start(number: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WORKER, str(number)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("before", ["0,1", None])
def test_afterwards_the_environment_is_as_before(before, monkeypatch):
    monkeypatch.setattr("rnnclf.study.devices.visible_gpus", lambda: ["0", "1"])
    if before is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", before)
    with one_gpu(0):
        assert os.environ["CUDA_VISIBLE_DEVICES"] in ("0", "1")
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == before
