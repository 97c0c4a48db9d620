"""How time and memory grow with the work: `python benchmarks/growth.py [words trials ...]`.

    words       a run of one epoch on 10^5 to 10^8 words, a small GRU
    vocabulary  the same on 10^6 words, of which 10^4 to 10^6 are different
    classes     the same on 10^6 words of 10 to 1000 classes
    workers     a study of 320 trials that sleep for half a second, 1 to 16 workers
    trials      a study of 10 to 4000 trials that do nothing, 2 workers, random points
    tpe         10 to 10^4 of them with the points of TPE

A row is one command from its start to its end: the CPU seconds of a run or the wall seconds of a
study, the peak memory (of a study: of all its processes), and the exponents of both since the row
before: 1 is in proportion, and -1 is half the time with twice the workers. `--most 1e6` leaves out
what is larger.
"""

import argparse
import math
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from csv_folder import REPO

WORDS_OF_A_TEXT = 10
SMALL = ("cell=gru", "hidden_size=16", "embedding_size=16", "batch_size=256", "epochs=1")
SLEEPING = Path(__file__).with_name("sleeping.py")
ROWS_AT_ONCE = 100_000


@dataclass(frozen=True)
class Texts:
    """Made-up texts whose words are all equally frequent, each with a word of its class."""

    words: int
    vocabulary: int = 20_000
    classes: int = 10

    def write(self, folder: Path) -> None:
        """Writes train.csv and, a tenth of its size, test.csv."""
        generator = np.random.default_rng(0)
        for name, rows in (("train", self.words // WORDS_OF_A_TEXT), ("test", self.rows_of_test)):
            with (folder / f"{name}.csv").open("w", encoding="utf-8") as file:
                file.write("text,label\n")
                for first in range(0, rows, ROWS_AT_ONCE):
                    last = min(rows, first + ROWS_AT_ONCE)
                    size = (last - first, WORDS_OF_A_TEXT - 1)
                    for row, words in enumerate(generator.integers(self.vocabulary, size=size)):
                        label = (first + row) % self.classes
                        text = " w".join(map(str, words))
                        file.write(f"class{label} w{text},c{label}\n")

    @property
    def rows_of_test(self) -> int:
        return self.words // WORDS_OF_A_TEXT // 10


@dataclass(frozen=True)
class Cost:
    """What a command took."""

    seconds: float
    gib: float

    def exponents(self, growth: float, before: "Cost") -> str:
        """The exponents of seconds and memory, if the work has grown by this factor."""
        ratios = (self.seconds / before.seconds, self.gib / before.gib)
        return "  ".join(f"{math.log(ratio) / math.log(growth):5.2f}" for ratio in ratios)


def cost_of_run(texts: Texts) -> Cost:
    """Trains on the texts with nothing in the cache."""
    with tempfile.TemporaryDirectory() as folder:
        texts.write(Path(folder))
        command = [
            *(sys.executable, str(REPO / "run.py"), "dataset=csv", f"dataset.folder={folder}"),
            *(*SMALL, "model.wide_buckets=0", f"hydra.run.dir={folder}/run"),
        ]
        environment = os.environ | {"RNNCLF_CACHE": f"{folder}/cache"}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"{texts}: the run ended with {status}")
        return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**20)


def cost_of_study(rule: str, trials: int, workers: int, sampler: str = "random") -> Cost:
    """Runs a study whose trials follow a rule of `sleeping.py`."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, str(SLEEPING), "-m", "hydra/sweeper=study", f"rule={rule}"),
            f"hydra/sweeper/sampler={sampler}",
            *(f"times={folder}/times", f"hydra.sweep.dir={folder}/study"),
            *(f"hydra.sweeper.n_trials={trials}", f"hydra.sweeper.workers={workers}"),
        ]
        begun, most = time.perf_counter(), 0.0
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            while process.poll() is None:
                most = max(most, memory_of_family(process.pid))
                time.sleep(1)
        if process.returncode:
            raise SystemExit(f"{trials} trials: the study ended with {process.returncode}")
        return Cost(time.perf_counter() - begun, most)


def memory_of_family(pid: int) -> float:
    """Returns the GiB of a process and its descendants, pages that they share counted once."""
    total = 0
    try:
        command = psutil.Process(pid)
        for one in (command, *command.children(recursive=True)):
            total += one.memory_full_info().pss
    except psutil.Error:
        return 0.0  # one of them ended meanwhile
    return total / 2**30


AXES = {
    "words": ((10**5, 10**6, 10**7, 10**8), lambda n: cost_of_run(Texts(n))),
    "vocabulary": ((10**4, 10**5, 10**6), lambda n: cost_of_run(Texts(10**6, vocabulary=n))),
    "classes": ((10, 100, 1000), lambda n: cost_of_run(Texts(10**6, classes=n))),
    "workers": ((1, 4, 16), lambda n: cost_of_study("half", 320, n)),
    "trials": ((10, 100, 1000, 4000), lambda n: cost_of_study("none", n, 2)),
    "tpe": ((10, 100, 1000, 10_000), lambda n: cost_of_study("none", n, 2, "tpe")),
}


def main() -> None:
    """Prints a table of the axes asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("axes", nargs="*", default=list(AXES))
    parser.add_argument("--most", type=float, default=math.inf)
    options = parser.parse_args()
    print("axis              n   seconds       GiB   exponents of both")
    for axis in options.axes:
        sizes, measure = AXES[axis]
        before: tuple[int, Cost] | None = None
        for size in (size for size in sizes if size <= options.most):
            cost = measure(size)
            since = cost.exponents(size / before[0], before[1]) if before else ""
            row = f"{axis:10} {size:9}  {cost.seconds:8.2f}  {cost.gib:8.2f}   {since}"
            print(row.rstrip(), flush=True)
            before = size, cost


if __name__ == "__main__":
    main()
