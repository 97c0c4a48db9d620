"""What the workers of a study take of a machine's memory, and what they share.

    python benchmarks/memory.py newsgroups [--workers 2] [KEY=VALUE ...]

A study of as many trials as workers, an epoch each. While all of them train, the kernel says what
each has (RSS), what is its own (USS), and what it has of the prepared texts in the cache.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from csv_folder import REPO

MIB = 2**20


def workers_of(study: psutil.Process) -> list[psutil.Process]:
    """Returns the processes that a server, a child of the command, has forked."""
    return [worker for server in study.children() for worker in server.children()]


def memory_of(worker: psutil.Process) -> tuple[float, float]:
    """Returns how many MiB a worker has, and how many are its own."""
    memory = worker.memory_full_info()
    return memory.rss / MIB, memory.uss / MIB


def of_cache(worker: psutil.Process) -> tuple[float, float]:
    """Returns how many MiB of the prepared texts a worker has, and how many by itself."""
    maps = [m for m in worker.memory_maps() if m.path.endswith(".safetensors")]
    return sum(m.rss for m in maps) / MIB, sum(m.pss for m in maps) / MIB


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset")
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, str(REPO / "run.py"), "-m", "hydra/sweeper=study"),
            *("sampler=random", "pruner=none", f"dataset={options.dataset}", "epochs=1"),
            *(
                "lr=interval(0.0009,0.0011)",
                f"n_trials={options.workers}",
                f"workers={options.workers}",
            ),
            *(f"hydra.sweep.dir={folder}/study", "evaluate_test=false", *options.overrides),
        ]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            study, rows = psutil.Process(process.pid), []
            while process.poll() is None:
                time.sleep(0.5)
                try:
                    workers = workers_of(study)
                    now = [(*memory_of(worker), *of_cache(worker)) for worker in workers]
                except psutil.Error:
                    continue
                begun = len(list(Path(folder).glob("study/*/config.yaml")))
                if len(workers) == begun == options.workers:
                    rows.append(now)
    most = max(rows, key=lambda row: sum(values[0] for values in row))
    for number, (rss, own, cached, alone) in enumerate(most):
        print(
            f"worker {number}: {rss:5.0f} MiB, its own {own:5.0f}; "
            f"of the prepared texts {cached:4.1f}, its share {alone:4.1f}"
        )


if __name__ == "__main__":
    main()
