"""A study whose workers are the jobs of a Slurm array: cancelled, requeued, out of time, alone."""

import json
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from foreign_study import FOREIGN_APP, trials_of
from hydra_study_sweeper.storage.trials import RETRY_OF
from servers import PATIENCE, Helper, Slurm, slurm, started, wait_until
from smoke_study import N_TRIALS, STUDY, check_finished, lost_of, running

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(2 * PATIENCE)]

SLURM = [*STUDY, "launcher=slurm", "hydra.launcher.mem_gb=1", "hydra.launcher.timeout_min=30"]
URGENT = ["--partition=urgent", "--cpus-per-task=6", "--output=/dev/null", "--wrap=sleep 1"]


@pytest.fixture(scope="module")
def started_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    with slurm(tmp_path_factory.mktemp("slurm") / "cluster") as cluster:
        yield cluster


@pytest.fixture
def cluster(started_cluster: Slurm) -> Iterator[Slurm]:
    yield started_cluster
    started_cluster.empty()


@pytest.fixture
def start(cluster: Slurm, tmp_path: Path) -> Iterator[Callable[..., Helper]]:
    """Starts commands with the environment of the cluster; they end with the test."""
    with ExitStack() as running_commands:

        def begin(*command: str) -> Helper:
            hears_ctrl_c = ["env", "--default-signal=INT"]  # also in the background of a script
            log = tmp_path / f"{len(list(tmp_path.glob('*.log')))}.log"
            options = {"cwd": tmp_path, "env": cluster.environment}
            return running_commands.enter_context(
                started([*hears_ctrl_c, *command], log, **options)
            )

        yield begin


@pytest.fixture
def study(start: Callable[..., Helper], tmp_path: Path) -> tuple[Helper, Path]:
    """A study that has begun on the cluster, and its folder."""
    command, folder = start(*SLURM), tmp_path / "study"
    wait_until(lambda: len(running(folder)) == 3, "three workers are in mid-trial", command)
    return command, folder


def finish(command: Helper, folder: Path) -> None:
    output = command.wait()
    assert command.process.returncode == 0, output
    check_finished(folder)


def test_a_cancelled_worker_costs_no_trial(cluster, study):
    command, folder = study
    cluster.ask("scancel", cluster.jobs("running")[0])
    finish(command, folder)
    assert len(lost_of(folder)) == 1


def test_a_requeued_worker_goes_on_where_its_trial_was(cluster, study):
    command, folder = study
    cluster.ask("scontrol", "requeue", cluster.jobs("running")[0])
    finish(command, folder)
    (lost,) = lost_of(folder)
    (again,) = [t for t in trials_of(folder) if t.user_attrs.get(RETRY_OF) == lost]
    log = (folder / str(again.number) / "run.log").read_text()
    assert "continuing after epoch" in log
    lines = (folder / str(again.number) / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == list(range(1, 41))


def test_a_warned_worker_is_queued_again_and_no_trial_fails(cluster, study):
    """As at a time limit or a preemption: the signal for which submitit asks Slurm."""
    command, folder = study
    cluster.ask("scancel", "--signal=USR2", cluster.jobs("running")[0])
    finish(command, folder)
    (lost,) = lost_of(folder)
    trial = trials_of(folder)[lost]
    assert trial.user_attrs["reason"].startswith("Interrupted")


def test_a_preempted_worker_is_queued_again_and_its_trial_at_once(cluster, study):
    """SIGTERM, then time to end in; a job that used it for ending is not queued again by Slurm."""
    command, folder = study
    workers = cluster.jobs("running")
    cluster.ask("sbatch", *URGENT)
    wait_until(lambda: lost_of(folder), "a trial is given back", command)
    assert set(cluster.jobs("running")) >= set(workers), "within the time of grace"
    finish(command, folder)
    (lost,) = lost_of(folder)
    assert trials_of(folder)[lost].user_attrs["reason"].startswith("Interrupted")
    wait_until(lambda: any(map(cluster.was_requeued, workers)), "the worker made room")


def test_a_time_limit_strikes_and_the_study_goes_on(cluster, start, tmp_path):
    """The trial would never end by itself; its worker has two minutes, then it is queued again."""
    settings = ("mem_gb=1", "timeout_min=2", "signal_delay_s=30", "max_num_timeout=9")
    command = start(
        *(sys.executable, str(FOREIGN_APP), "-m", "outcome=wait_once", "hydra.sweeper.n_trials=2"),
        *("hydra/launcher=submitit_slurm", *(f"hydra.launcher.{setting}" for setting in settings)),
        "+hydra.launcher.additional_parameters.requeue=true",
    )
    output = command.wait()
    assert command.process.returncode == 0, output
    trials = trials_of(tmp_path / "study")
    assert Counter(trial.state.name for trial in trials) == {"FAIL": 1, "COMPLETE": 2}
    assert trials[0].user_attrs["reason"] == "Interrupted: the study was interrupted"


def test_workers_go_on_without_the_command_that_began_them(cluster, start, study):
    command, folder = study
    command.process.kill()
    wait_until(lambda: not cluster.jobs(), "the queue is empty")
    trials = trials_of(folder)
    assert Counter(t.state.name for t in trials) == {"COMPLETE": N_TRIALS}
    assert not (folder / "study.json").exists(), "nobody was there to write it"
    finish(start(*SLURM), folder)


def test_ctrl_c_leaves_the_jobs_and_the_same_command_waits_for_them(cluster, start, study):
    command, folder = study
    command.process.send_signal(signal.SIGINT)
    output = command.wait()
    assert command.process.returncode == 130, output
    assert "trials that other workers still run" in output
    assert "the same command continues" in output
    finish(start(*SLURM), folder)
    assert lost_of(folder) == []
