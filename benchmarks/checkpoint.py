"""How long a run's checkpoint takes: `python benchmarks/checkpoint.py`.

Writes weights and both of Adam's moments for embeddings of the sizes of three runs, five times
each, into the folder where it is started.
"""

import tempfile
import time
from pathlib import Path

import torch

from rnnclf.training.checkpoint import save_checkpoint

ROWS = {"questions": 7_700, "questions, 20 000 n-grams": 27_700, "newsgroups": 207_000}
WIDTH = 128


def main() -> None:
    """Prints the seconds."""
    for name, rows in ROWS.items():
        state = {"tables": [torch.randn(rows, WIDTH) for _ in range(3)]}
        with tempfile.TemporaryDirectory(dir=".") as folder:
            seconds = [timed(state, Path(folder) / "it.safetensors") for _ in range(5)]
        print(f"{name}: {min(seconds):.3f} to {max(seconds):.3f} s")


def timed(state: dict[str, list[torch.Tensor]], path: Path) -> float:
    start = time.perf_counter()
    save_checkpoint(state, path)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
