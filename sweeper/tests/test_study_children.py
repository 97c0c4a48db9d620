"""The processes that a trial starts end with it, however it ends."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from foreign_study import APPLICATIONS, OUTPUT, states_of
from hydra_study_sweeper.workers.children import Children
from processes import wait_until

SIMULATION = APPLICATIONS / "simulator" / "app.py"
STUDY = ["-m", "hydra/sweeper/sampler=grid", "hydra.sweeper.workers=1", "leaves=2", "x=1"]


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def started(folder: Path) -> list[int]:
    file = folder / "started"
    return [int(pid) for pid in file.read_text().split()] if file.exists() else []


@pytest.mark.parametrize("launcher", ["basic", "joblib"])
def test_a_trial_that_does_not_end_well_leaves_nothing_behind(launcher, tmp_path):
    cases = "end=choice(fail,prune,wait,exit,none)"
    command = [sys.executable, "-W", "ignore", str(SIMULATION), *STUDY, cases]
    command += ["hydra.sweeper.trial_timeout=3", f"hydra/launcher={launcher}"]
    done = subprocess.run(command, cwd=tmp_path, check=False, **OUTPUT)
    assert done.returncode == 0, done.stdout
    assert states_of(tmp_path / "study") == {"FAIL": 3, "PRUNED": 1, "COMPLETE": 1}
    assert (tmp_path / "alive").read_text().split() == ["0"] * 5, "when the next trial began"
    assert len(started(tmp_path)) == 10
    assert not any(map(is_running, started(tmp_path)))


def kill_worker(parent: int, child: int) -> None:
    os.kill(psutil.Process(child).ppid(), signal.SIGKILL)


def kill_parent(parent: int, child: int) -> None:
    os.kill(parent, signal.SIGKILL)


def press_ctrl_c(parent: int, child: int) -> None:
    os.kill(parent, signal.SIGINT)


def terminate(parent: int, child: int) -> None:
    os.kill(parent, signal.SIGTERM)


@pytest.mark.parametrize(
    ("end", "detached"),
    [(kill_worker, False), (kill_parent, True), (press_ctrl_c, True), (terminate, True)],
)
def test_the_processes_of_a_trial_end_with_its_worker(end, detached, start_program, tmp_path):
    study = start_program(SIMULATION, *STUDY, "end=choice(wait)", f"detached={detached}")
    wait_until(lambda: len(started(tmp_path)) >= 2, study)
    children = started(tmp_path)
    end(study.pid, children[0])
    deadline = time.monotonic() + 20
    while any(map(is_running, children)) and time.monotonic() < deadline:
        time.sleep(0.05)
    alive = [pid for pid in children if is_running(pid)]
    for pid in alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert alive == []


def test_a_process_that_has_ended_does_not_run_though_nobody_has_waited_for_it():
    children = Children()
    with subprocess.Popen(["sleep", "0.1"]) as child:
        assert [process.pid for process in children.running()] == [child.pid]
        time.sleep(0.5)
        assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
        assert children.running() == []
