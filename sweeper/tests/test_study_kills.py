"""Nothing is lost, whatever is killed whenever: workers, the parent, everything, Ctrl-C."""

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest
from foreign_study import OUTPUT, SWEEP, check_promises, states_of, trials_of
from hydra_study_sweeper.paths import StudyPaths
from hydra_study_sweeper.storage.trials import LOSSES, counts
from optuna.trial import TrialState
from processes import run_program, wait_until

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


def test_nothing_is_lost_in_four_kills(tmp_path):
    chance = random.Random(0)
    ways = [kill_worker, kill_parent, kill_everything, press_ctrl_c]
    chance.shuffle(ways)
    command = [*SWEEP, "steps=2", "seconds=0.05", "hydra.sweeper.n_trials=40"]
    command.append("hydra.sweeper.max_failures=50")
    log = tmp_path / "output.log"

    def start() -> subprocess.Popen[bytes]:
        with log.open("w") as file:
            return subprocess.Popen(command, cwd=tmp_path, stdout=file, stderr=file)

    met = 0  # kills of a study that was running
    process = start()
    for way in ways:
        time.sleep(chance.uniform(0.8, 2.5))
        with contextlib.suppress(psutil.NoSuchProcess):
            parent = psutil.Process(process.pid)
            workers = parent.children(recursive=True)
            chance.shuffle(workers)
            met += process.poll() is None
            way(parent, workers)
        if way is not kill_worker:
            process.wait(timeout=100)
            process = start()
    assert process.wait(timeout=600) == 0, log.read_text()
    assert met > 0
    check_promises(tmp_path, n_trials=40)


def test_a_sigterm_to_the_whole_process_group_costs_no_trial(tmp_path):
    """GNU timeout, systemd and batch systems end a command so."""
    command = [*SWEEP, "steps=600", "seconds=0.1", "seconds_to_save=1", "hydra.sweeper.n_trials=2"]
    process = subprocess.Popen(command, cwd=tmp_path, start_new_session=True, **OUTPUT)
    wait_until(lambda: len(list(tmp_path.glob("study/*/.hydra"))) >= 2, process)
    os.killpg(process.pid, signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "after 0 of 2 trials" in output
    ended = [t for t in trials_of(tmp_path / "study") if t.state is not TrialState.WAITING]
    assert [trial.user_attrs.get(LOSSES, 0) for trial in ended] == [0, 0]
    reasons = [str(trial.user_attrs.get("reason")) for trial in ended]
    assert all(reason.startswith("Interrupted") for reason in reasons), (
        "not killed: they could save"
    )
    done = run_program(*command[1:], "steps=1", "hydra.sweeper.ignore=[steps]", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert states_of(tmp_path / "study") == {"COMPLETE": 2}


def test_a_dead_server_of_the_workers_is_replaced(tmp_path):
    command = [*SWEEP, "steps=2", "seconds=0.1", "hydra.sweeper.n_trials=6"]
    process = subprocess.Popen(command, cwd=tmp_path, **OUTPUT)
    # After two trials have completed, the two that the first kill lost were run again: a trial
    # that is lost twice fails.
    for completed in (0, 2):
        wait_until(partial(has_completed, tmp_path / "study", completed), process)
        (server,) = [
            child
            for child in psutil.Process(process.pid).children()
            if any("forkserver" in word for word in child.cmdline())
        ]
        server.kill()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert states_of(tmp_path / "study") == {"COMPLETE": 6}


def has_completed(study: Path, number: int) -> bool:
    """Whether a study has begun, and at least `number` of its trials are complete."""
    return any(study.glob("*/.hydra")) and states_of(study).get("COMPLETE", 0) >= number


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a disk of its own needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextlib.contextmanager
def full(disk: Path) -> Iterator[None]:
    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1024))
    try:
        yield
    finally:
        filler.unlink()


@contextlib.contextmanager
def read_only(journal: Path) -> Iterator[None]:
    if subprocess.run(["chattr", "+i", journal], capture_output=True, check=False).returncode:
        pytest.skip("a file that root cannot write needs chattr and a file system that knows it")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", journal], check=True)


def check_that_it_goes_on_after(
    fault: contextlib.AbstractContextManager[None], said: str, folder: Path
) -> None:
    """Runs a study that meets a fault, and again when the fault is gone."""
    command = [*SWEEP, "steps=1", "seconds=0.1", "hydra.sweeper.n_trials=40"]
    process = subprocess.Popen(command, cwd=folder, **OUTPUT)
    while not (folder / "study" / "8").exists():
        time.sleep(0.01)
    with fault:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 1
        assert said in output.splitlines()[-1]
        assert "the same command continues" in output
        assert "Traceback" not in output
    before = {t.number: t for t in trials_of(folder / "study") if t.values}
    assert len(before) >= 7
    done = subprocess.run(command, cwd=folder, **OUTPUT, check=False)
    assert done.returncode == 0, done.stdout
    trials = trials_of(folder / "study")
    assert sum(counts(trial) for trial in trials) == 40
    for number, trial in before.items():
        assert trials[number].values == trial.values


@pytest.mark.slow
def test_a_disk_that_is_full_for_a_while_costs_no_finished_trial(tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        check_that_it_goes_on_after(full(disk), "No space left on device", disk)


@pytest.mark.slow
def test_a_journal_that_is_read_only_for_a_while_costs_no_finished_trial(tmp_path):
    journal = StudyPaths(tmp_path / "study").journal
    check_that_it_goes_on_after(read_only(journal), "Operation not permitted", tmp_path)
