"""How fast training is beside the hand-out's way (`handout.py`), in runs that take turns.

    python benchmarks/speed.py ratios [--datasets questions ...] [--cell gru] [--rounds 5]
    python benchmarks/speed.py peak [--cells rnn lstm gru]
    python benchmarks/speed.py start [--datasets newsgroups]

`ratios`: words (without padding) that are trained each second, with the same texts, cell, sizes
(embedding and hidden 128, batches of 32, at most 256 words), by

    a  the hand-out's way, one training on all cores
    b  `run.py`, one training on one core
    c  `run.py -m`, a study with a worker for each core

`peak`: which share of what one core can do in products of large float32 matrices the training of a
recurrent layer does, at two widths, on texts of the newsgroups' length.

`start`: seconds from the command to the first batch, with nothing prepared and again, and the most
memory that a run of one epoch takes.

Needs the raw files of the data sets in $RNNCLF_DATA.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from csv_folder import REPO, write_csv_folder

# Epochs that take about ten seconds, but for newsgroups (25).
EPOCHS = {"questions": 20, "sentiment": 6, "spam": 2, "newsgroups": 1}
SECONDS = 10
SIZES = ("batch_size=32", "embedding_size=128", "hidden_size=128")


def handouts_way(dataset: str, cell: str, texts: Path, folder: Path) -> float:
    """Returns the words a second of (a)."""
    command = [
        *(sys.executable, str(REPO / "benchmarks" / "handout.py"), f"folder={texts / dataset}"),
        *(f"cell={cell}", f"log={folder / 'log'}", f"seconds={SECONDS}", "epochs=1000"),
        *(*SIZES, f"hydra.run.dir={folder}"),
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    last = (folder / "log").read_text().splitlines()[-1]
    return float(json.loads(last)["words_per_second"])


def one_run(dataset: str, cell: str, folder: Path) -> float:
    """Returns the words a second of (b)."""
    train(dataset, cell, f"hydra.run.dir={folder}", "evaluate_test=false")
    return words_per_second(folder)


def study(dataset: str, cell: str, folder: Path) -> float:
    """Returns the words a second of all workers of (c) together."""
    workers = os.cpu_count() or 1
    train(
        *(
            dataset,
            cell,
            "-m",
            "hydra/sweeper=study",
            "sampler=random",
            "lr=interval(0.0009,0.0011)",
        ),
        *(f"n_trials={workers}", f"workers={workers}", f"hydra.sweep.dir={folder}"),
    )
    return sum(words_per_second(folder / str(number)) for number in range(workers))


def train(dataset: str, cell: str, *arguments: str) -> None:
    command = [
        *(sys.executable, str(REPO / "run.py"), f"dataset={dataset}", f"cell={cell}", *SIZES),
        *("dataset.max_length=256", f"epochs={EPOCHS[dataset]}", *arguments),
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def words_per_second(run: Path) -> float:
    """Returns a run's mean over its epochs, without the first where there are several."""
    lines = (run / "metrics.jsonl").read_text().splitlines()
    rates = [json.loads(line)["tokens_per_second"] for line in lines]
    return statistics.mean(rates[1:] or rates)


def ratios(datasets: list[str], cell: str, rounds: int) -> None:
    print("dataset     round   (a) words/s  (b) words/s  (c) words/s  (b)/(a)  (c)/(a)")
    with tempfile.TemporaryDirectory() as temporary:
        texts = Path(temporary, "texts")
        for dataset in datasets:
            write_csv_folder(dataset, texts / dataset)
            measured = []
            for number in range(1, rounds + 1):
                folder = Path(temporary, dataset, str(number))
                a = handouts_way(dataset, cell, texts, folder / "a")
                b = one_run(dataset, cell, folder / "b")
                c = study(dataset, cell, folder / "c")
                measured.append((a, b, c, b / a, c / a))
                print(f"{dataset:10} {number:6}  " + as_columns(measured[-1]), flush=True)
            columns = list(zip(*measured, strict=True))
            for name, pick in (("median", statistics.median), ("least", min), ("most", max)):
                print(f"{dataset:10} {name:>6}  " + as_columns(tuple(map(pick, columns))))


def start(datasets: list[str]) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["RNNCLF_CACHE"] = temporary
        for dataset in datasets:
            command = [
                *(sys.executable, str(REPO / "run.py"), f"dataset={dataset}", *SIZES, "epochs=1"),
                *("evaluate_test=false", f"hydra.run.dir={temporary}/{dataset}/${{now:%f}}"),
            ]
            for what in ("first", "second"):
                begun = time.perf_counter()
                with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
                    process.stdout.readline()  # is written right before the first batch
                    seconds = time.perf_counter() - begun
                    process.stdout.read()
                    _, process.returncode, usage = os.wait4(process.pid, 0)
                assert process.returncode == 0, "its error is above"
                memory = usage.ru_maxrss / 2**20
                print(f"{dataset:10} {what:6} start {seconds:5.1f} s  memory {memory:5.2f} GiB")


def as_columns(values: tuple[float, ...]) -> str:
    a, b, c, *shares = values
    return f"{a:12.0f} {b:12.0f} {c:12.0f} " + " ".join(f"{share:8.2f}" for share in shares)


def peak(cells: list[str]) -> None:
    import torch

    from rnnclf.model.layers import RecurrentLayers
    from rnnclf.training.reproducibility import prepare_torch

    prepare_torch()
    matrix = torch.randn(2048, 2048)
    highest = 2 * 2048**3 / fastest(lambda: matrix @ matrix) / 1e9
    print(f"product of two 2048 x 2048 matrices: {highest:.0f} GFLOP/s")
    length, batch_size = 250, 32
    for cell in cells:
        for size in (128, 256):
            layers = RecurrentLayers(cell, size, size)
            vectors = torch.randn(length, batch_size, size, requires_grad=True)
            lengths = torch.full((batch_size,), length)
            seconds = fastest(lambda: layers(vectors, lengths)[1].sum().backward())  # noqa: B023
            weights = sum(p.numel() for p in layers.parameters() if p.ndim == 2)
            reached = 3 * 2 * weights * length * batch_size / seconds / 1e9
            print(f"{cell:4} {size}: {reached:4.0f} GFLOP/s, {reached / highest:.0%}")


def fastest(call: Callable[[], object], repetitions: int = 7) -> float:
    """Returns the seconds of the fastest of some calls."""
    durations = []
    for _ in range(repetitions):
        start = time.perf_counter()
        call()
        durations.append(time.perf_counter() - start)
    return min(durations)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    of_ratios = commands.add_parser("ratios")
    of_ratios.add_argument("--datasets", nargs="+", default=list(EPOCHS), choices=list(EPOCHS))
    of_ratios.add_argument("--cell", default="gru")
    of_ratios.add_argument("--rounds", type=int, default=5)
    of_peak = commands.add_parser("peak")
    of_peak.add_argument("--cells", nargs="+", default=["rnn", "lstm", "gru"])
    of_start = commands.add_parser("start")
    of_start.add_argument("--datasets", nargs="+", default=["newsgroups"], choices=list(EPOCHS))
    options = parser.parse_args()
    if options.command == "peak":
        peak(options.cells)
    elif options.command == "start":
        start(options.datasets)
    else:
        ratios(options.datasets, options.cell, options.rounds)


if __name__ == "__main__":
    main()
