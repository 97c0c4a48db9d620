"""GPUs shared out among workers; no GPU is needed to say which is whose."""

import contextlib
import os
import subprocess
import sys

import pytest
from foreign_study import OUTPUT, SWEEP, trials_of
from hydra_study_sweeper.workers.devices import _all_gpus, default_workers, one_gpu, visible_gpus

WORKER = """
import os, sys
from hydra_study_sweeper.workers.devices import one_gpu
with one_gpu(int(sys.argv[1])):
    print(os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
    sys.stdin.read()
"""


def test_there_are_as_many_workers_as_gpus(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, GPU-abc,5")
    assert visible_gpus() == ["2", "GPU-abc", "5"]
    assert default_workers() == 3


@pytest.mark.parametrize("launcher", ["basic", pytest.param("joblib", marks=pytest.mark.slow)])
def test_each_worker_of_a_study_has_a_gpu_of_its_own(launcher, tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,7")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    asked = ("outcome=gpu", "steps=1", "seconds=0.2", f"hydra/launcher={launcher}")
    done = subprocess.run([*SWEEP, *asked], cwd=tmp_path, check=False, **OUTPUT)
    assert done.returncode == 0, done.stdout
    by_worker = {t.user_attrs["worker"]["pid"]: t.value for t in trials_of(tmp_path / "study")}
    assert sorted(by_worker.values()) == [3, 7]


def test_the_gpus_of_the_machine_are_asked_for_once(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\necho GPU 0: H100 | tee -a {tmp_path}/asked\n")
    program.chmod(0o700)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    _all_gpus.cache_clear()
    try:
        assert [visible_gpus(), visible_gpus()] == [["0"], ["0"]]
    finally:
        _all_gpus.cache_clear()
    assert (tmp_path / "asked").read_text().count("GPU") == 1


def test_no_gpu_is_none(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert visible_gpus() == []
    with one_gpu(1):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "-1"


def test_jobs_of_launchers_on_one_machine_take_different_gpus(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # other tests may hold locks in theirs
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


def test_workers_share_gpus_where_that_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_workers(per_gpu=3) == 6
    with contextlib.ExitStack() as running:
        taken = []
        for _ in range(4):  # of one number, so that only the locks tell them apart
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
            running.enter_context(one_gpu(0, per_gpu=2))
            taken.append(os.environ["CUDA_VISIBLE_DEVICES"])
    assert taken == ["0", "1", "0", "1"]


@pytest.mark.parametrize("before", ["0,1", None])
def test_afterwards_the_environment_is_as_before(before, monkeypatch):
    monkeypatch.setattr("hydra_study_sweeper.workers.devices.visible_gpus", lambda: ["0", "1"])
    if before is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", before)
    with one_gpu(0):
        assert os.environ["CUDA_VISIBLE_DEVICES"] in ("0", "1")
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == before
