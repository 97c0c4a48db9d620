"""A study whose workers are the jobs of a Slurm array: cancelled, requeued, out of time, alone."""

import json
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from foreign_study import OUTPUT, trials_of
from hydra_study_sweeper.storage.trials import RETRY_OF
from servers import Slurm, slurm, wait_until
from smoke_study import N_TRIALS, STUDY, check_finished, lost_of, running

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

SLURM = [*STUDY, "launcher=slurm", "hydra.launcher.mem_gb=1", "hydra.launcher.timeout_min=5"]
URGENT = ["--partition=urgent", "--cpus-per-task=6", "--output=/dev/null", "--wrap=sleep 1"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with slurm(tmp_path_factory.mktemp("slurm") / "cluster") as started:
        yield started


@pytest.fixture
def study(cluster: Slurm, tmp_path: Path):
    """A study that has begun on the cluster, its folder, and its process."""
    process = start(cluster, tmp_path)
    yield process, tmp_path / "study"
    if process.poll() is None:
        process.kill()
        process.communicate()
    subprocess.run(["scancel", *cluster.jobs()], env=cluster.environment, check=False)


def start(cluster: Slurm, folder: Path, *others: str) -> "subprocess.Popen[str]":
    hears_ctrl_c = ["env", "--default-signal=INT"]  # also in the background of a script
    command = [*hears_ctrl_c, *SLURM, *others]
    process = subprocess.Popen(command, cwd=folder, env=cluster.environment, **OUTPUT)
    wait_until(lambda: len(running(folder / "study")) == 3, "three workers in mid-trial", 90)
    return process


def finish(process: "subprocess.Popen[str]", folder: Path, seconds: float = 200) -> None:
    output, _ = process.communicate(timeout=seconds)
    assert process.returncode == 0, output
    check_finished(folder)


def test_a_cancelled_worker_costs_no_trial(cluster, study):
    process, folder = study
    cluster.ask("scancel", cluster.jobs("running")[0])
    finish(process, folder)
    assert len(lost_of(folder)) == 1


def test_a_requeued_worker_goes_on_where_its_trial_was(cluster, study):
    process, folder = study
    cluster.ask("scontrol", "requeue", cluster.jobs("running")[0])
    finish(process, folder)
    (lost,) = lost_of(folder)
    (again,) = [t for t in trials_of(folder) if t.user_attrs.get(RETRY_OF) == lost]
    log = (folder / str(again.number) / "run.log").read_text()
    assert "going on after epoch" in log
    lines = (folder / str(again.number) / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == list(range(1, 41))


def test_a_warned_worker_is_queued_again_and_no_trial_fails(cluster, study):
    """As at a time limit or a preemption: the signal for which submitit asks Slurm."""
    process, folder = study
    cluster.ask("scancel", "--signal=USR2", cluster.jobs("running")[0])
    finish(process, folder)
    (lost,) = lost_of(folder)
    trial = trials_of(folder)[lost]
    assert trial.user_attrs["reason"].startswith("Interrupted")


def test_a_preempted_worker_is_queued_again_and_its_trial_at_once(cluster, study):
    """SIGTERM, then time to end in; a job that used it for ending is not queued again by Slurm."""
    process, folder = study
    workers = cluster.jobs("running")
    cluster.ask("sbatch", *URGENT)
    wait_until(lambda: lost_of(folder), "a trial that is given back", 30)
    assert set(cluster.jobs("running")) >= set(workers), "within the time of grace"
    finish(process, folder)
    (lost,) = lost_of(folder)
    assert trials_of(folder)[lost].user_attrs["reason"].startswith("Interrupted")
    assert cluster.jobs("pending"), "the worker that made room"


def test_a_time_limit_strikes_and_the_study_goes_on(cluster, tmp_path):
    """Slurm ends each worker after two minutes at most, and the study takes as long."""
    limit = ("hydra.launcher.timeout_min=2", "hydra.launcher.signal_delay_s=30")
    process = start(cluster, tmp_path, *limit, "epochs=400")
    finish(process, tmp_path / "study", seconds=500)
    lost = lost_of(tmp_path / "study")
    assert lost, "those of workers whose time was up"
    reasons = {trials_of(tmp_path / "study")[number].user_attrs["reason"] for number in lost}
    assert reasons == {"Interrupted: the study was interrupted"}


def test_workers_go_on_without_the_command_that_began_them(cluster, study):
    process, folder = study
    process.kill()
    process.communicate()
    wait_until(lambda: not cluster.jobs("pending,running,completing"), "an empty queue", 150)
    trials = trials_of(folder)
    assert Counter(t.state.name for t in trials) == {"COMPLETE": N_TRIALS}
    assert not (folder / "study.json").exists(), "nobody was there to write it"
    done = subprocess.run(SLURM, cwd=folder.parent, env=cluster.environment, **OUTPUT, check=False)
    assert done.returncode == 0, done.stdout
    check_finished(folder)


def test_ctrl_c_leaves_the_jobs_and_the_same_command_waits_for_them(cluster, study):
    process, folder = study
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "trials that other workers still run" in output
    assert "the same command continues" in output
    done = subprocess.run(SLURM, cwd=folder.parent, env=cluster.environment, **OUTPUT, check=False)
    assert done.returncode == 0, done.stdout
    check_finished(folder)
    assert lost_of(folder) == []
