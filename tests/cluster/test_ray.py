"""A study whose workers are tasks on a Ray cluster of two nodes, one of which is killed."""

import json
import os
import subprocess
import sys
from collections import Counter

import psutil
import pytest
from conftest import RUN_PY
from foreign_study import OUTPUT, trials_of
from servers import free_port, ray_node, wait_until

from rnnclf.study.trials import LOST, WORKER, counts

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

N_TRIALS = 12
STUDY = [
    *(sys.executable, str(RUN_PY), "-m", "sweeps=smoke", "launcher=ray", "workers=3"),
    *(f"n_trials={N_TRIALS}", "pruner=none", "hydra.sweeper.refit.seeds=0", "epochs=60"),
    "hydra.sweep.dir=study",
]


@pytest.fixture
def nodes(tmp_path):
    port, elsewhere = free_port(), tmp_path / "elsewhere"
    elsewhere.mkdir()
    head = ("--head", f"--port={port}", "--num-cpus=1", "--include-dashboard=false")
    with (
        ray_node(elsewhere, *head),
        ray_node(elsewhere, f"--address=127.0.0.1:{port}", "--num-cpus=2") as second,
    ):
        yield f"127.0.0.1:{port}", second


def running(folder) -> dict[int, int]:
    """Returns which trials run, and the process of each."""
    if not (folder / "study.journal").exists():
        return {}
    trials = [t for t in trials_of(folder) if t.state.name == "RUNNING" and t.intermediate_values]
    return {trial.number: trial.user_attrs[WORKER]["pid"] for trial in trials}


def test_a_node_that_dies_costs_no_trial(nodes, tmp_path):
    address, second = nodes
    command = [*STUDY, f"hydra.launcher.ray.init.address={address}"]
    with subprocess.Popen(command, cwd=tmp_path, env=os.environ, **OUTPUT) as process:
        folder = tmp_path / "study"
        wait_until(lambda: len(running(folder)) == 3, "three workers in mid-trial", 120)
        mine = {p.pid for p in psutil.Process(second.process.pid).children(recursive=True)}
        on_second = [number for number, pid in running(folder).items() if pid in mine]
        assert on_second, "the second node has workers"
        second.kill()
        output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    assert {path.suffix for path in (tmp_path / "elsewhere").iterdir()} == {".log"}
    trials = trials_of(folder)
    assert Counter(t.state.name for t in trials if counts(t)) == {"COMPLETE": N_TRIALS}
    assert json.loads((folder / "study.json").read_text())["finished"]
    assert {t.number for t in trials if LOST in t.user_attrs} >= set(on_second)
