"""A whole search: Hydra's Optuna sweeper around the hand-out's way, and a study of ours.

    python benchmarks/search.py questions [--trials 20] [--epochs 10] [--cell gru] [--pruner asha]

Both search the same space (`sweeps/space/default.yaml`) over the same texts, cut at 256 words, with
the same number of epochs. The study may have ten times as many trials, since it prunes most.
Prints when each reached the best validation accuracy of the first. Needs the raw files of the data
set in $RNNCLF_DATA.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import optuna
from csv_folder import REPO, write_csv_folder
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

SPACE = (
    "lr=tag(log,interval(0.0003,0.03))",
    "batch_size=choice(16,32,64,128)",
    "embedding_size=choice(64,128,256)",
    "hidden_size=choice(64,128,256)",
)


def handouts_way(dataset: str, options: argparse.Namespace, folder: Path) -> list[tuple]:
    """Returns for each epoch of the stock sweeper's trials its time (s) and validation accuracy."""
    write_csv_folder(dataset, folder / "texts")
    command = [
        *(sys.executable, str(REPO / "benchmarks" / "handout.py"), "-m", "hydra/sweeper=optuna"),
        *(f"hydra.sweeper.n_trials={options.trials}", "hydra.sweeper.n_jobs=1", *SPACE),
        *("hydra.sweeper.direction=maximize", f"hydra.sweep.dir={folder / 'sweep'}"),
        *(f"folder={folder / 'texts'}", f"cell={options.cell}", f"epochs={options.epochs}"),
        f"log={folder / 'log'}",
    ]
    start = time.time()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lines = map(json.loads, (folder / "log").read_text().splitlines())
    reached = [(line["time"] - start, line["val_accuracy"]) for line in lines]
    return [*reached, (time.time() - start, 0.0)]


def ours(dataset: str, options: argparse.Namespace, folder: Path) -> list[tuple]:
    """Returns for each trial of our study its end (s) and best validation accuracy."""
    command = [
        *(sys.executable, str(REPO / "run.py"), "-m", "sweeps=default", f"dataset={dataset}"),
        *(f"cell={options.cell}", f"epochs={options.epochs}", f"n_trials={options.study_trials}"),
        *(
            f"pruner={options.pruner}",
            "dataset.max_length=256",
            "hydra.sweeper.refit.seeds=0",
            f"hydra.sweep.dir={folder}",
        ),
    ]
    start = time.time()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds = time.time() - start
    storage = JournalStorage(JournalFileBackend(str(folder / "study.journal")))
    (name,) = optuna.get_all_study_names(storage)
    trials = optuna.load_study(study_name=name, storage=storage).trials
    reached = [
        (trial.datetime_complete.timestamp() - start, max(trial.intermediate_values.values()))
        for trial in trials
    ]
    return [*reached, (seconds, 0.0)]


def report(name: str, reached: list[tuple], goal: float) -> None:
    times = [seconds for seconds, value in reached if value >= goal]
    first = f"{min(times):7.0f} s" if times else "   never"
    best, total = max(value for _, value in reached), max(seconds for seconds, _ in reached)
    print(f"{name:14}  {goal:.4f} after {first}  best {best:.4f}  in all {total:6.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--cell", default="gru")
    parser.add_argument("--pruner", default="asha")
    parser.add_argument("--study-trials", type=int, help="default: ten times as many")
    options = parser.parse_args()
    options.study_trials = options.study_trials or 10 * options.trials
    with tempfile.TemporaryDirectory() as temporary:
        study = ours(options.dataset, options, Path(temporary, "study"))
        sweep = handouts_way(options.dataset, options, Path(temporary))
    goal = max(value for _, value in sweep)
    report("hand-out's way", sweep, goal)
    report("study", study, goal)


if __name__ == "__main__":
    main()
