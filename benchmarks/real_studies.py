"""Real studies of the stock sweeper and of ours, in turns, where the replay promises a difference.

    python benchmarks/real_studies.py questions-default [--seeds 5] [--trials 40]

Both search the space of recorded curves with the same reduced texts, one worker each. The stock
sweeper runs 40 full trainings. Ours runs until it has taken as much CPU time, so other work on the
machine does not count, and has the points that are chosen from the other data sets. The winners
after a quarter, half and all of that time are trained three times more, with fresh seeds and
validation parts, and tested. What is in FOLDER is kept: an interrupted benchmark is continued by
the same command. Needs the raw files of the data set in $RNNCLF_DATA.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import timed_run
from csv_folder import REPO
from portfolio import known_elsewhere
from recordings import SEARCHES, composed, recorded_enough

from rnnclf.files.paths import RunPaths
from rnnclf.runs.find import read_run

SHARES = (0.25, 0.5, 1.0)  # of the time
MORE = 20  # trials, by which ours is continued until the time is over
JUDGES = range(100, 103)  # seeds
STOCK, OURS = "stock", "ours"


@dataclass(frozen=True)
class Trial:
    """A trial of either sweeper.

    Attributes:
        folder: Of its run.
        ended: The CPU seconds of the study when it ended.
        value: Its validation accuracy; None if it was pruned.
    """

    folder: Path
    ended: float
    value: float | None


def trials_of(study: Path) -> list[Trial]:
    """Reads the trials of a study with one worker, in their order."""
    trials, ended = [], 0.0
    for folder in sorted(study.glob("[0-9]*"), key=lambda folder: int(folder.name)):
        ended += float((folder / timed_run.FILE).read_text())
        complete = RunPaths(folder).result.exists()
        value = read_run(folder).result.val_accuracy if complete else None
        trials.append(Trial(folder, ended, value))
    return trials


def winner(trials: Sequence[Trial], seconds: float) -> Trial:
    """Returns the best complete trial that ended within the time; the first one if none did."""
    within = [trial for trial in trials if trial.value is not None and trial.ended <= seconds]
    return max(within or trials[:1], key=lambda trial: trial.value or 0.0)


def run(script: Path, *arguments: str) -> None:
    command = [sys.executable, str(script), *arguments]
    subprocess.run(command, check=True, cwd=REPO, stdout=subprocess.DEVNULL)


def search_stock(name: str, seed: int, folder: Path, trials: int) -> list[Trial]:
    """Runs Hydra's own Optuna sweeper with its defaults."""
    sweep, *fixed = SEARCHES[name]
    if len(list(folder.glob(f"[0-9]*/{timed_run.FILE}"))) < trials:
        shutil.rmtree(folder, ignore_errors=True)  # it cannot be continued
        space = composed([sweep, *fixed]).search_space
        run(
            Path(timed_run.__file__),
            *("-m", "hydra/sweeper=optuna", "hydra.sweeper.n_jobs=1", *fixed),
            *(f"hydra.sweeper.n_trials={trials}", "hydra.sweeper.direction=maximize"),
            *(f"hydra.sweeper.sampler.seed={seed}", f"hydra.sweep.dir={folder}"),
            *(f"{key}={values}" for key, values in space.items()),
        )
    return trials_of(folder)


def search_ours(name: str, seed: int, folder: Path, seconds: float) -> list[Trial]:
    """Runs a study until it has taken the CPU seconds."""
    known = known_elsewhere(name)
    points = ",".join("{" + ",".join(f"{k}:{v}" for k, v in one.items()) + "}" for one in known)
    trials = trials_of(folder)
    while not trials or trials[-1].ended < seconds:
        run(
            Path(timed_run.__file__),
            *("-m", *SEARCHES[name], "workers=1", f"hydra.sweeper.sampler.seed={seed}"),
            *(f"n_trials={len(trials) + MORE}", "hydra.sweeper.refit.seeds=0"),
            *(f"hydra.sweep.dir={folder}", f"hydra.sweeper.warm_start=[{points}]"),
        )
        trials = trials_of(folder)
    return trials


def tested(trial: Trial, folder: Path) -> float:
    """Returns the mean test accuracy of a configuration over fresh seeds and validation parts."""
    accuracies = []
    for seed in JUDGES:
        place = folder / f"{trial.folder.name}-{seed}"
        if not RunPaths(place).result.exists():
            shutil.rmtree(place, ignore_errors=True)
            run(
                REPO / "run.py",
                *(f"from={trial.folder}", f"seed={seed}", f"dataset.validation_seed={seed}"),
                *("evaluate_test=true", f"hydra.run.dir={place}"),
            )
        accuracies.append(read_run(place).result.test_accuracy)
    return float(np.mean(accuracies))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=recorded_enough())
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--folder", type=Path, default=Path("outputs/benchmarks/real-studies"))
    options = parser.parse_args()
    print("seed  sweeper  CPU s  trials  pruned  best validation  test at 25 %    50 %   100 %")
    for seed in range(options.seeds):
        place = options.folder.resolve() / options.name / str(seed)
        stock = search_stock(options.name, seed, place / STOCK, options.trials)
        seconds = stock[-1].ended
        ours = search_ours(options.name, seed, place / OURS, seconds)
        for sweeper, trials in ((STOCK, stock), (OURS, ours)):
            won = [winner(trials, share * seconds) for share in SHARES]
            accuracies = [tested(trial, place / f"{sweeper}-tested") for trial in won]
            within = [trial for trial in trials if trial.ended <= seconds]
            pruned = sum(trial.value is None for trial in within)
            print(
                f"{seed:4}  {sweeper:7}{within[-1].ended:7.0f}{len(within):8}{pruned:8}"
                f"{won[-1].value:17.4f}      {'  '.join(f'{one:.4f}' for one in accuracies)}",
                flush=True,
            )


if __name__ == "__main__":
    main()
