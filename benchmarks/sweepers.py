"""What the sweeper `study` costs and what a barrier costs, beside each other in one run.

    python benchmarks/sweepers.py barrier    # 12 trials, 4 workers: every fourth sleeps 4 s
    python benchmarks/sweepers.py mixed      # 200 trials of 0.05 to 0.5 s, 4 workers
    python benchmarks/sweepers.py overhead   # trials that do nothing, 2 workers, 10 to 1000 trials
    python benchmarks/sweepers.py floor      # CPU time of Hydra's own part of such a trial
    python benchmarks/sweepers.py trivial    # whole commands: 20 trials that do nothing, 2 workers
    python benchmarks/sweepers.py busy       # whole commands: 320 trials of 1 s, 16 workers

The applications only sleep, so the figures are those of the sweepers. The time is from the start of
the first trial to the end of the last; the share is that of the workers' time inside of trials. The
last two take the time of the whole command, and the sweepers take turns.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import run_job
from hydra.types import HydraContext

APPLICATION = Path(__file__).with_name("sleeping.py")
ROUNDS = 5
WHOLE = {"trivial": ("none", 20, 2), "busy": ("second", 320, 16)}  # rule, trials, workers
OFFICIAL = ("hydra/sweeper=optuna", "hydra/launcher=joblib")


@dataclass(frozen=True)
class Measured:
    """Seconds from the first start to the last end, inside of all trials, and of the command."""

    trials: int
    workers: int
    wall: float
    inside: float
    command: float

    def __str__(self) -> str:
        share = self.inside / (self.wall * self.workers)
        outside = (self.wall * self.workers - self.inside) / self.trials * 1000
        return f"{self.wall:7.2f} s  {share:5.1%} inside  {outside:6.1f} ms a trial outside"


def measure(rule: str, trials: int, workers: int, *, official: bool) -> Measured:
    """Runs one sweep in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        times = Path(folder) / "times"
        sweeper = (
            (*OFFICIAL, f"hydra.sweeper.n_jobs={workers}", f"hydra.launcher.n_jobs={workers}")
            if official
            else ("hydra/sweeper=study", f"hydra.sweeper.workers={workers}")
        )
        command = [
            *(sys.executable, str(APPLICATION), "-m", *sweeper, f"rule={rule}"),
            *(f"times={times}", f"hydra.sweeper.n_trials={trials}", f"hydra.sweep.dir={folder}/s"),
        ]
        begun = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds = time.perf_counter() - begun
        spans = [tuple(map(float, line.split())) for line in times.read_text().splitlines()]
    assert len(spans) == trials, f"{len(spans)} of {trials} trials ran"
    wall = max(end for _, end in spans) - min(start for start, _ in spans)
    return Measured(trials, workers, wall, sum(end - start for start, end in spans), seconds)


def compare_whole_commands(rule: str, trials: int, workers: int) -> None:
    """Runs both sweepers in turns; prints the seconds of each command, and the workers' share."""
    for _ in range(ROUNDS):
        for name, official in (("study", False), ("optuna + joblib", True)):
            measured = measure(rule, trials, workers, official=official)
            share = measured.inside / (measured.command * workers)
            within = f"{measured.wall:6.2f} s between the first start and the last end"
            print(f"{name:16}{measured.command:7.2f} s  {share:5.1%} inside  {within}", flush=True)


def cpu_of_hydra(jobs: int) -> float:
    """Returns the CPU seconds that Hydra's `run_job` takes with a task that does nothing."""
    with tempfile.TemporaryDirectory() as folder, initialize_config_dir(str(APPLICATION.parent)):
        job = ("times=times", "hydra.job.num=0", "hydra.job.id=0", f"hydra.sweep.dir={folder}")
        config = compose("sleeping", [*job, "hydra/sweeper=study"], return_hydra_config=True)
        context = HydraContext(GlobalHydra.instance().config_loader(), Callbacks())
        begun = time.process_time()
        for _ in range(jobs):
            run_job(lambda config: 0.0, config, "hydra.sweep.dir", "hydra.sweep.subdir", context)
        return (time.process_time() - begun) / jobs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["barrier", "mixed", "overhead", "floor", *WHOLE])
    what = parser.parse_args().what
    if what == "floor":
        print(f"Hydra's run_job: {1000 * cpu_of_hydra(200):.1f} ms of CPU time a job")
        return
    if what == "overhead":
        for trials in (10, 100, 300, 1000):
            print(f"study    {trials:4} trials ", measure("none", trials, 2, official=False))
        return
    if what in WHOLE:
        compare_whole_commands(*WHOLE[what])
        return
    trials = 12 if what == "barrier" else 200
    print("study           ", measure(what, trials, 4, official=False))
    print("optuna + joblib ", measure(what, trials, 4, official=True))


if __name__ == "__main__":
    main()
