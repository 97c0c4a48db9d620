"""Many small trials on one GPU: trials an hour of studies whose workers share it.

    python benchmarks/gpu_trials.py [--workers 1 4 16] [--seconds 20]

A trial is three epochs of a GRU (128) over 2 700 texts of ten words. The studies run with and
without NVIDIA's MPS, if that can be started, and at last on the cores alone. Prints a table in
Markdown, row by row. `--device cpu --small` tries the script out where there is no GPU.
"""

import argparse
import csv
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import numpy as np

REPO = Path(__file__).resolve().parents[1]
CLASSES = 6
PATIENCE = 40  # seconds that a study has for its last trials
MPS = "nvidia-cuda-mps-control"


def row(*cells: object) -> None:
    print("|", " | ".join(map(str, cells)), "|", flush=True)


def trials(options: argparse.Namespace) -> None:
    counts = [number for number in options.workers if not options.small or number < 3]
    row("workers", "MPS", "trials an hour", "ratio", "seconds of a trial", "failed")
    row(*["---"] * 6)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.environ["RNNCLF_CACHE"] = str(folder / "cache")
        write_texts(folder / "texts", 200 if options.small else 3000)
        base = 0.0
        for name, service in (("no", nullcontext), ("yes", lambda: mps(folder / "mps"))):
            if name == "yes" and options.device == "cpu":
                continue
            with service() as answer:
                if answer:
                    row("", name, answer, "", "", "")
                    continue
                for workers in counts:
                    base = study(options, folder, name, workers, base)
        if options.device != "cpu":
            cores = len(os.sched_getaffinity(0))
            study(options, folder, "no GPU", cores, base, device="cpu")


def study(
    options: argparse.Namespace,
    folder: Path,
    name: str,
    workers: int,
    base: float,
    device: str | None = None,
) -> float:
    """Runs a study for some seconds, writes its row, and returns the rate of the first one."""
    place = folder / f"{name.replace(' ', '-')}-{workers}"
    command = [
        *(sys.executable, str(REPO / "run.py"), "-m", "hydra/sweeper=study", "dataset=csv"),
        *(f"dataset.folder={folder / 'texts'}", "cell=gru", f"device={device or options.device}"),
        *("hidden_size=128", "embedding_size=128", "batch_size=32", "epochs=3", "n_trials=100000"),
        *("lr=tag(log,interval(0.0005,0.005))", "sampler=random", "pruner=none"),
        *(f"workers={workers}", f"minutes={options.seconds / 60}", "repeats=1"),
        *(f"hydra.sweep.dir={place}", "hydra.sweeper.keep=0", "evaluate_test=false"),
        *("hydra.sweeper.refit.seeds=0", f"hydra.sweeper.workers_per_gpu={workers}"),
    ]
    log = place.with_suffix(".log")
    with log.open("w") as file:
        run = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)
        try:
            run.wait(options.seconds + PATIENCE)
        except subprocess.TimeoutExpired:
            row(workers, name, f"not ended {PATIENCE} s after its time", "", "", "")
        finally:
            with suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)
            run.wait()
    rate, seconds, failed = of_trials(place)
    if not rate:
        row(workers, name, "no trial", *log.read_text().splitlines()[-1:], "", failed)
        return base
    base = base or rate
    row(workers, name, f"{rate:.0f}", f"{rate / base:.2f}", f"{seconds:.2f}", failed)
    return base


def of_trials(study_folder: Path) -> tuple[float, float, int]:
    """Returns completed trials an hour, the median seconds of one, and the number of failed ones.

    The rate leaves out the first trials of the workers, which load the GPU's libraries.
    """
    begun, ended, failed = [], [], 0
    for path in study_folder.glob("*/trial.json"):
        record = json.loads(path.read_text())
        failed += record["state"] == "failed"
        result = path.parent / "result.json"
        if record["state"] == "complete" and result.exists():
            ended.append(result.stat().st_mtime)
            begun.append(ended[-1] - json.loads(result.read_text())["seconds"]["total"])
    if len(ended) < 3:
        return 0.0, 0.0, failed
    ended_late = sorted(ended)[len(ended) // 3 :]
    rate = 3600 * (len(ended_late) - 1) / (ended_late[-1] - ended_late[0])
    return rate, statistics.median(np.subtract(ended, begun)), failed


def write_texts(folder: Path, count: int) -> None:
    """Writes a data set of texts of ten words with six classes that their words tell."""
    generator = np.random.default_rng(0)
    folder.mkdir()
    for name, size in (("train.csv", count), ("test.csv", count // 10)):
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["sentence", "label"])
            for label in generator.integers(0, CLASSES, size):
                words = generator.integers(0, 500, 10) * CLASSES + label
                noise = generator.integers(0, 500 * CLASSES, 10)
                mixed = np.where(generator.random(10) < 0.3, words, noise)
                writer.writerow([" ".join(f"w{word}" for word in mixed), f"c{label}"])


@contextmanager
def mps(folder: Path) -> Iterator[str]:
    """Starts NVIDIA's MPS for the programs that this one starts; yields what is wrong, if so."""
    folder.mkdir()
    places = {"CUDA_MPS_PIPE_DIRECTORY": str(folder), "CUDA_MPS_LOG_DIRECTORY": str(folder)}
    os.environ.update(places)
    try:
        told = subprocess.run([MPS, "-d"], capture_output=True, text=True, timeout=20, check=False)
        wrong = told.returncode and f"MPS cannot be started: {(told.stderr + told.stdout)[:200]}"
    except FileNotFoundError:
        wrong = f"MPS cannot be started: there is no {MPS} here"
    except subprocess.TimeoutExpired:
        wrong = "MPS cannot be started: it does not answer"
    try:
        yield wrong or ""
    finally:
        if not wrong:
            servers = ask_mps("get_server_list")
            print(f"MPS servers at the end: {servers or 'NONE, so MPS was not used'}", flush=True)
            ask_mps("quit")
        for name in places:
            del os.environ[name]


def ask_mps(question: str) -> str:
    try:
        done = subprocess.run(
            [MPS], input=question, capture_output=True, text=True, timeout=20, check=False
        )
    except subprocess.TimeoutExpired:
        return ""
    return " ".join(done.stdout.split())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 4, 16])
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true")
    trials(parser.parse_args())


if __name__ == "__main__":
    main()
