"""A study whose workers are tasks on a Ray cluster of two nodes, one of which is killed."""

import subprocess

import psutil
import pytest
from foreign_study import OUTPUT
from servers import free_port, ray_node, wait_until
from smoke_study import STUDY, check_finished, lost_of, running

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]


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


def test_a_node_that_dies_costs_no_trial(nodes, tmp_path):
    address, second = nodes
    command = [*STUDY, "launcher=ray", "epochs=60", f"hydra.launcher.ray.init.address={address}"]
    folder = tmp_path / "study"
    process = subprocess.Popen(command, cwd=tmp_path, **OUTPUT)
    try:
        wait_until(lambda: len(running(folder)) == 3, "three workers in mid-trial", 120)
        mine = {p.pid for p in psutil.Process(second.process.pid).children(recursive=True)}
        on_second = [number for number, pid in running(folder).items() if pid in mine]
        assert on_second, "the second node has workers"
        second.kill()
        output, _ = process.communicate(timeout=240)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, output
    assert {path.suffix for path in (tmp_path / "elsewhere").iterdir()} == {".log"}
    check_finished(folder)
    assert set(lost_of(folder)) >= set(on_second)
