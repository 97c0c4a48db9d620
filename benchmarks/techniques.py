"""What each technique of the training loop gives: the same steps with and without it, in turns.

    python benchmarks/techniques.py [--datasets questions newsgroups] [--cells gru lstm]

The sizes are those of `speed.py`. Prints words (without padding) a second on one core, the
spread, and the ratio to those of the loop as it is; before them, where the time of a step goes.
Needs the raw files in $RNNCLF_DATA.
"""

import argparse
import ctypes
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from csv_folder import REPO
from hydra import compose, initialize_config_dir
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from rnnclf.configuration.composed import from_omegaconf, register_schema
from rnnclf.configuration.schema import Config, OptimizerConfig
from rnnclf.data.encoding import EncodedTexts
from rnnclf.data.prepared import prepare
from rnnclf.model import kernels
from rnnclf.model.batches import Batch, make_batch, training_batches
from rnnclf.training.reproducibility import (
    LARGEST_KEPT,
    M_MMAP_THRESHOLD,
    M_TRIM_THRESHOLD,
    prepare_torch,
)
from rnnclf.training.run import build_classifier
from rnnclf.training.updates import make_updates

STEPS = {"questions": 125, "sentiment": 60, "spam": 20, "newsgroups": 20}


class Packed(nn.Module):
    """The stock layer over packed sequences, in place of one over padded batches."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, vectors: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        packed = pack_padded_sequence(vectors, lengths, enforce_sorted=False)
        states, final = self.layer(packed)
        last = final[0] if isinstance(final, tuple) else final
        return pad_packed_sequence(states)[0], last[-1]


def as_ever(texts: EncodedTexts, config: Config) -> Iterator[Batch]:
    return training_batches(texts, config.training.batch_size, np.random.default_rng(0))


def in_any_order(texts: EncodedTexts, config: Config) -> Iterator[Batch]:
    order = np.random.default_rng(0).permutation(len(texts))
    for start in range(0, len(order), config.training.batch_size):
        yield make_batch(texts, order[start : start + config.training.batch_size])


def variant(
    config: Config,
    *,
    batches: Callable[[EncodedTexts, Config], Iterator[Batch]] = as_ever,
    packed: bool = False,
    weight_decay: float = 0.0,
    precision: torch.dtype = torch.float32,
) -> Callable[[], float]:
    """Returns a function that trains some steps and returns the words a second."""
    torch.manual_seed(0)
    data = prepare(config.dataset, Path(config.paths.data))
    model = build_classifier(config, data).model
    if packed:
        model.recurrent = Packed(model.recurrent.forwards[0])
    updates = make_updates(model, OptimizerConfig("adam", 0.001, weight_decay, 0.0), precision)
    steps = STEPS[config.dataset.name]
    chosen = [batch for batch, _ in zip(batches(data.training, config), range(steps), strict=False)]
    words = sum(int(batch.lengths.sum()) for batch in chosen)

    def train() -> float:
        start = time.perf_counter()
        for batch in chosen:
            updates.step(cross_entropy(updates.forward(batch).float(), batch.labels))
        return words / (time.perf_counter() - start)

    return train


def print_parts(config: Config) -> None:
    """Prints the median milliseconds of each part of a step, as the trainer takes it."""
    torch.manual_seed(0)
    data = prepare(config.dataset, Path(config.paths.data))
    updates = make_updates(build_classifier(config, data).model, config.optimizer)
    batches = as_ever(data.training, config)
    parts: dict[str, list[float]] = {}

    def timed(part: str, call: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = call()
        parts.setdefault(part, []).append(1000 * (time.perf_counter() - start))
        return result

    for _ in range(STEPS[config.dataset.name]):
        batch = timed("batch", lambda: next(batches))
        logits = timed("forward", lambda: updates.forward(batch))  # noqa: B023
        loss = cross_entropy(logits, batch.labels)
        updates.optimizer.zero_grad()
        timed("backward", loss.backward)
        timed("update", updates.optimizer.step)
        timed("read", lambda: (loss.item(), (logits.argmax(1) == batch.labels).sum().item()))  # noqa: B023
    medians = {part: statistics.median(values) for part, values in parts.items()}
    whole = sum(medians.values())
    print(", ".join(f"{part} {ms:.2f} ms {ms / whole:.0%}" for part, ms in medians.items()))


@contextmanager
def denormals() -> Iterator[None]:
    torch.set_flush_denormal(False)
    yield
    torch.set_flush_denormal(True)


@contextmanager
def mkl() -> Iterator[None]:
    chosen = torch.backends.mkldnn.matmul.fp32_precision
    torch.backends.mkldnn.matmul.fp32_precision = "ieee"
    yield
    torch.backends.mkldnn.matmul.fp32_precision = chosen


@contextmanager
def torchs_layers() -> Iterator[None]:
    ours = dict(kernels._OURS)
    kernels._OURS.clear()
    yield
    kernels._OURS.update(ours)


@contextmanager
def memory_given_back() -> Iterator[None]:
    mallopt = ctypes.CDLL(None).mallopt
    for option in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
        mallopt(option, 128 * 1024)
    yield
    for option in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
        mallopt(option, LARGEST_KEPT)


@contextmanager
def two_threads() -> Iterator[None]:
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


def measure(config: Config, rounds: int) -> None:
    ours = variant(config)
    # A weight decay of nearly nothing is Adam's own, which no row of the embedding can wait for.
    dense = variant(config, weight_decay=1e-30)
    bf16 = variant(config, precision=torch.bfloat16)
    variants: dict[str, tuple[Callable[[], float], Callable[[], object]]] = {
        "as it is": (ours, nullcontext),
        "denormals are kept": (ours, denormals),
        "products are MKL's": (ours, mkl),
        "torch's own RNN and GRU": (ours, torchs_layers),
        "memory is given back": (ours, memory_given_back),
        "packed sequences": (variant(config, packed=True), nullcontext),
        "batches in any order": (variant(config, batches=in_any_order), nullcontext),
        "Adam moves all vectors": (dense, nullcontext),
        "two threads": (ours, two_threads),
        "precision=bf16": (bf16, nullcontext),
        "the same, torch's layers": (bf16, torchs_layers),
    }
    speeds: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(rounds + 1):
        for name, (train, setting) in variants.items():
            with setting():
                speed = train()
            if number:  # the first round warms up
                speeds[name].append(speed)
    base = statistics.median(speeds["as it is"])
    print(f"{config.dataset.name} {config.model.cell}: ", end="")
    print_parts(config)
    for name, values in speeds.items():
        median = statistics.median(values)
        spread = f"{min(values):.0f} to {max(values):.0f}"
        print(f"  {name:24} {median:8.0f} words/s ({spread}), {median / base:5.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", nargs="+", default=["questions", "newsgroups"], choices=STEPS)
    parser.add_argument("--cells", nargs="+", default=["gru", "lstm"])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    prepare_torch()
    register_schema()
    with initialize_config_dir(str(REPO / "conf")):
        for dataset in options.datasets:
            for cell in options.cells:
                overrides = [f"dataset={dataset}", f"cell={cell}", "dataset.max_length=256"]
                measure(from_omegaconf(compose("config", overrides)), options.rounds)


if __name__ == "__main__":
    main()
