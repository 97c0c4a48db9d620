"""A study of a thousand trials: none costs more time or memory than the first ones."""

import subprocess
from pathlib import Path

import psutil
import pytest
from foreign_study import OUTPUT, SWEEP, trials_of
from processes import wait_until

N_TRIALS = 1000
MEGABYTE = 2**20


def used_by(process: psutil.Process) -> tuple[int, float]:
    """The resident memory of a process and of all below it, in bytes, and their CPU seconds."""
    memory, seconds = 0, 0.0
    for one in [process, *process.children(recursive=True)]:
        times = one.cpu_times()
        memory += one.memory_info().rss
        seconds += times.user + times.system
    return memory, seconds


def wait_for_trial(number: int, folder: Path, process: subprocess.Popen[str]) -> None:
    wait_until((folder / "study" / str(number)).exists, process)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_thousandth_trial_costs_what_the_fiftieth_did(tmp_path):
    random = "hydra/sweeper/sampler=random"  # TPE itself takes longer the more trials there are
    command = [*SWEEP, random, "steps=1", "seconds=0", f"hydra.sweeper.n_trials={N_TRIALS}"]
    process = subprocess.Popen(command, cwd=tmp_path, **OUTPUT)
    measured = psutil.Process(process.pid)
    used = []
    for number in (50, 150, N_TRIALS - 150, N_TRIALS - 50):
        wait_for_trial(number, tmp_path, process)
        used.append(used_by(measured))
    memory, seconds = zip(*used, strict=True)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert len(trials_of(tmp_path / "study")) == N_TRIALS
    assert memory[-1] - memory[0] < 60 * MEGABYTE, "20 kB a trial in each of three processes"
    # Of the processor, because other work on the machine makes trials take longer.
    first, last = seconds[1] - seconds[0], seconds[-1] - seconds[-2]
    assert last < 2 * first, f"a hundred trials cost {first:.1f} s, another {last:.1f} s"
