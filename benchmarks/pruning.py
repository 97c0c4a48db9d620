"""What pruning saves on a real study: the same search with each pruner.

    python benchmarks/pruning.py [--trials 30] [--epochs 15] [--pruners none asha asha:3 median]

`asha:3` judges after three epochs first, and after one without a number.
Needs the raw files of the questions in $RNNCLF_DATA. Prints for each pruner the best validation
accuracy, the epochs that were trained, and the wall time. A study that is in FOLDER already is
continued, so an interrupted benchmark goes on where it stopped; its wall time is then of the rest.
"""

import argparse
import csv
import subprocess
import sys
import time
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]


def run_study(pruner: str, trials: int, epochs: int, seed: int, folder: Path) -> float:
    """Runs one study to its end and returns the seconds that it took."""
    name, _, first = pruner.partition(":")
    command = [
        *(sys.executable, str(REPO / "run.py"), "-m", "sweeps=default", "dataset=questions"),
        *("cell=gru", f"epochs={epochs}", f"n_trials={trials}", f"pruner={name}"),
        *("hydra.sweeper.refit.seeds=0", f"hydra.sweeper.sampler.seed={seed}"),
        *([f"hydra.sweeper.pruner.min_resource={first}"] if first else []),
        f"hydra.sweep.dir={folder}",
    ]
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--pruners", nargs="+", default=["none", "median", "asha", "hyperband"])
    parser.add_argument("--folder", type=Path, default=Path("outputs/benchmarks/pruning"))
    options = parser.parse_args()
    print("pruner      seed  best validation accuracy  epochs  pruned  seconds")
    for seed in options.seeds:
        for pruner in options.pruners:
            folder = options.folder.resolve() / f"{pruner}-{seed}"
            seconds = run_study(pruner, options.trials, options.epochs, seed, folder)
            with (folder / "trials.csv").open(newline="") as file:
                rows = list(csv.DictReader(file))
            best = max(float(row["value"]) for row in rows if row["value"])
            epochs = sum(int(row["steps"] or 0) for row in rows)
            pruned = sum(row["state"] == "PRUNED" for row in rows)
            print(f"{pruner:10} {seed:5}  {best:24.4f}  {epochs:6}  {pruned:6}  {seconds:7.0f}")


if __name__ == "__main__":
    main()
