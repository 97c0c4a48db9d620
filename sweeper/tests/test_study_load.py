"""A study of a thousand trials: none costs more time or memory than the first ones."""

import subprocess
from pathlib import Path

import psutil
import pytest
from foreign_study import OUTPUT, SWEEP, trials_of
from processes import wait_until

N_TRIALS = 1000
MEGABYTE = 2**20


def memory_of(process: psutil.Process) -> int:
    """The resident memory of a process and of its workers, in bytes."""
    return sum(one.memory_info().rss for one in [process, *process.children()])


def wait_for_trial(number: int, folder: Path, process: subprocess.Popen[str]) -> None:
    wait_until((folder / "study" / str(number)).exists, process)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_thousandth_trial_costs_what_the_fiftieth_did(tmp_path):
    command = [*SWEEP, "steps=1", "seconds=0", f"hydra.sweeper.n_trials={N_TRIALS}"]
    process = subprocess.Popen(command, cwd=tmp_path, **OUTPUT)
    measured = psutil.Process(process.pid)
    wait_for_trial(50, tmp_path, process)
    early = memory_of(measured)
    wait_for_trial(N_TRIALS - 50, tmp_path, process)
    late = memory_of(measured)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert late - early < 60 * MEGABYTE, "20 kB a trial in each of three processes"

    begun = [trial.datetime_start for trial in trials_of(tmp_path / "study")]
    assert len(begun) == N_TRIALS
    # Not the very first: then the workers start, and the sampler draws at random.
    first, last = begun[150] - begun[50], begun[-1] - begun[-101]
    assert last < 1.5 * first, f"a hundred trials took {first}, the last hundred {last}"
