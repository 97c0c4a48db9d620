"""A study whose workers are tasks on a Ray cluster of two nodes, one of which is killed."""

import os
import secrets
from collections.abc import Iterator

import psutil
import pytest
from servers import PATIENCE, Helper, free_port, ray_node, started, wait_until
from smoke_study import STUDY, check_finished, lost_of, running

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(2 * PATIENCE)]

# Whatever the home folder and the environment have: the cluster asks for a token of its own.
PLAIN = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH_")}
TOKEN = PLAIN | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
TOKEN["RAY_worker_niceness"] = "0"  # 15 by default: on a busy machine its workers stand still


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Helper, str]]:
    """A node on which one worker may run, and its address."""
    log, port = tmp_path_factory.mktemp("head") / "head.log", free_port()
    options = ("--head", f"--port={port}", "--num-cpus=1", "--include-dashboard=false")
    with ray_node(log, *options, env=TOKEN) as node:
        wait_until(lambda: "Ray runtime started" in node.output, "the head has started", node)
        yield node, f"127.0.0.1:{port}"


def study_on(address: str) -> list[str]:
    return [*STUDY, "launcher=ray", "epochs=60", f"hydra.launcher.ray.init.address={address}"]


def test_a_node_that_dies_costs_no_trial(head, tmp_path):
    node, address = head
    folder, elsewhere = tmp_path / "study", tmp_path / "elsewhere"
    elsewhere.mkdir()
    options = (f"--address={address}", "--num-cpus=2")
    with (
        ray_node(elsewhere / "ray.log", *options, env=TOKEN) as second,
        started(study_on(address), tmp_path / "log", cwd=tmp_path, env=TOKEN) as command,
    ):
        needed = (node, second, command)
        wait_until(lambda: len(running(folder)) == 3, "three workers are in mid-trial", *needed)
        mine = {p.pid for p in psutil.Process(second.process.pid).children(recursive=True)}
        on_second = [number for number, pid in running(folder).items() if pid in mine]
        assert on_second, "the second node has workers"
        second.kill()
        output = command.wait()
        assert command.process.returncode == 0, output
    assert [path.name for path in elsewhere.iterdir()] == ["ray.log"]
    check_finished(folder)
    assert set(lost_of(folder)) >= set(on_second)


def test_a_cluster_that_asks_for_a_token_is_told_of_in_the_last_line(head, tmp_path):
    _, address = head
    with started(study_on(address), tmp_path / "log", cwd=tmp_path, env=PLAIN) as command:
        output = command.wait()
    assert command.process.returncode == 1
    assert "RAY_AUTH_MODE=token" in output.splitlines()[-1]
    assert "Traceback" not in output
