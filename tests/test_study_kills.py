"""Nothing is lost, whatever is killed whenever: workers, the parent, everything, Ctrl-C."""

import contextlib
import random
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from foreign_study import OUTPUT, SWEEP, trials_of
from optuna.trial import TrialState

from rnnclf.study.trials import LOSSES, LOST, RETRY_OF, counts

Victims = list[psutil.Process]


def kill_worker(parent: psutil.Process, workers: Victims) -> None:
    for worker in workers[:1]:
        worker.kill()


def kill_parent(parent: psutil.Process, workers: Victims) -> None:
    parent.kill()


def kill_everything(parent: psutil.Process, workers: Victims) -> None:
    for process in [*workers, parent]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def press_ctrl_c(parent: psutil.Process, workers: Victims) -> None:
    parent.send_signal(signal.SIGINT)


def run_with_kills(folder: Path, kills: int, n_trials: int, seed: int) -> None:
    """Starts the same study again and again, each time with something killed, to its end."""
    chance = random.Random(seed)
    ways = [kill_worker, kill_parent, kill_everything, press_ctrl_c] * (kills // 4)
    chance.shuffle(ways)
    command = [*SWEEP, "steps=2", "seconds=0.05", f"hydra.sweeper.n_trials={n_trials}"]
    while True:
        process = subprocess.Popen(
            [*command, "hydra.sweeper.max_failures=50"], cwd=folder, **OUTPUT
        )
        killing = bool(ways)
        if killing:
            time.sleep(chance.uniform(0.8, 3.0))
            with contextlib.suppress(psutil.NoSuchProcess):
                parent = psutil.Process(process.pid)
                workers = parent.children(recursive=True)
                chance.shuffle(workers)
                ways.pop()(parent, workers)
        output, _ = process.communicate(timeout=100)
        if process.returncode == 0 and not ways:
            return
        assert killing or process.returncode == 0, output


def check_promises(folder: Path, n_trials: int) -> None:
    trials = trials_of(folder / "study")
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert all(trial.state in (TrialState.COMPLETE, TrialState.FAIL) for trial in trials)
    assert sum(counts(trial) for trial in trials) == n_trials, "the number of trials is exact"
    retried = {trial.user_attrs[RETRY_OF] for trial in trials if RETRY_OF in trial.user_attrs}
    lost = {trial.number for trial in trials if LOST in trial.user_attrs}
    assert retried == lost, "each lost trial is queued again, once"
    for trial in trials:
        if trial.state is TrialState.FAIL:
            assert trial.user_attrs["reason"].startswith(("WorkerLost: ", "Interrupted: "))
            assert trial.number in lost or trial.user_attrs[LOSSES] == 1
        else:
            assert trial.values == [trial.params["x"]]
            config = folder / "study" / str(trial.number) / ".hydra" / "config.yaml"
            assert f"x: {trial.params['x']}" in config.read_text()
    points = [
        trial.params["x"] for trial in trials if RETRY_OF not in trial.user_attrs and trial.params
    ]
    assert len(set(points)) == len(points), "no point is tried twice but for lost ones"


def test_nothing_is_lost_in_four_kills(tmp_path):
    run_with_kills(tmp_path, kills=4, n_trials=60, seed=0)
    check_promises(tmp_path, n_trials=60)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nothing_is_lost_in_twenty_kills(tmp_path):
    run_with_kills(tmp_path, kills=20, n_trials=500, seed=1)
    check_promises(tmp_path, n_trials=500)
