"""Words a second on a GPU: the trainer against torch's own layers, and its techniques.

    python benchmarks/gpu.py training [--cells gru lstm rnn] [--sizes 128 256 512 1024]
    python benchmarks/gpu.py techniques [--cells gru] [--size 256]

Prints tables in Markdown, row by row. The texts are random words, about 250 or 10 each (`--texts`);
batches have 32. A figure is the median of the rounds, in which the ways take turns.

`training`: words (without padding) that are trained each second by

    a  the hand-out's network and loop (`handout.py`), with batches by length and torch's defaults,
       which let cuDNN round to TF32
    b  a loop around torch's layer on packed sequences, with fused Adam
    c  the same loop around torch's layer on padded batches
    d  the trainer of `run.py`

`techniques`: the trainer with and without each technique, and a step as a CUDA graph.

`--device cpu --small` tries the script out where there is no GPU.
"""

import argparse
import functools
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import torch
from csv_folder import REPO
from handout import LAYERS, Network
from hydra import compose, initialize_config_dir
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pack_padded_sequence
from torch.optim import Adam

from rnnclf.configuration.composed import from_omegaconf, register_schema
from rnnclf.configuration.schema import Config
from rnnclf.data.encoding import EncodedTexts
from rnnclf.model.batches import Batch, make_batch, training_batches
from rnnclf.model.network import RecurrentClassifier
from rnnclf.training.reproducibility import describe, prepare_torch
from rnnclf.training.trainer import Trainer
from rnnclf.training.updates import Updates, make_updates

VOCABULARY, CLASSES, BATCH_SIZE, EMBEDDING_SIZE = 20_000, 6, 32, 128
LENGTHS = {"long": (200, 300), "short": (5, 15)}
STEPS = {"long": 20, "short": 100}
Epoch = Callable[[], float]


def random_texts(shape: str, steps: int) -> EncodedTexts:
    """Makes texts whose words are as rare as those of a language (Zipf)."""
    generator = np.random.default_rng(0)
    shortest, longest = LENGTHS[shape]
    lengths = generator.integers(shortest, longest + 1, steps * BATCH_SIZE)
    words = 1 + (VOCABULARY - 1.0) ** generator.random(lengths.sum())
    labels = generator.integers(0, CLASSES, len(lengths))
    return EncodedTexts(words.astype(np.int32), np.cumsum(lengths) - lengths, lengths, labels)


class Stock(nn.Module):
    """Embedding, torch's layer on packed or padded sequences, a linear layer on the last state."""

    def __init__(self, cell: str, size: int, *, packed: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, EMBEDDING_SIZE)
        self.layer = LAYERS[cell](EMBEDDING_SIZE, size)
        self.linear = nn.Linear(size, CLASSES)
        self.packed = packed

    def forward(self, words: Tensor, lengths: Tensor) -> Tensor:
        """Takes the lengths on the CPU, where packing needs them."""
        vectors = self.embedding(words)
        if self.packed:
            vectors = pack_padded_sequence(vectors, lengths, enforce_sorted=False)
            final = self.layer(vectors)[1]
            return self.linear((final[0] if isinstance(final, tuple) else final)[0])
        columns = torch.arange(len(lengths), device=words.device)
        last = (lengths - 1).to(words.device, non_blocking=True)
        return self.linear(self.layer(vectors)[0][last, columns])


class Bench:
    """One shape of texts on one device."""

    def __init__(self, options: argparse.Namespace, shape: str) -> None:
        self.device = torch.device(options.device)
        self.cuda = self.device.type == "cuda"
        self.steps = 3 if options.small else STEPS[shape]
        self.texts = random_texts(shape, self.steps)
        self.words = int(self.texts.lengths.sum())
        self.kept: list[object] = []

    def batches(self) -> Iterator[Batch]:
        return training_batches(self.texts, BATCH_SIZE, np.random.default_rng(0))

    def finish(self) -> None:
        if self.cuda:
            torch.cuda.synchronize()

    def timed(self, train: Callable[[], object]) -> Epoch:
        def epoch() -> float:
            self.finish()
            start = time.perf_counter()
            train()
            self.finish()
            return self.words / (time.perf_counter() - start)

        return epoch

    def handouts_way(self, cell: str, size: int) -> Epoch:
        sizes = SimpleNamespace(cell=cell, embedding_size=EMBEDDING_SIZE, hidden_size=size)
        network = Network(sizes, VOCABULARY, CLASSES).to(self.device)
        optimizer = Adam(network.parameters(), lr=0.001)

        def train() -> None:
            for batch in self.batches():
                optimizer.zero_grad()
                logits = network(batch.words.to(self.device))
                cross_entropy(logits, batch.labels.to(self.device)).backward()
                optimizer.step()

        return self.timed(train)

    def stock(self, cell: str, size: int, *, packed: bool) -> Epoch:
        model = Stock(cell, size, packed=packed).to(self.device)
        optimizer = Adam(model.parameters(), lr=0.001, fused=True)

        def train() -> None:
            for batch in self.batches():
                moved = batch.to(self.device)
                optimizer.zero_grad()
                cross_entropy(model(moved.words, batch.lengths), moved.labels).backward()
                optimizer.step()

        return self.timed(train)

    def trainer(
        self,
        cell: str,
        size: int,
        precision: torch.dtype = torch.float32,
        optimizer: Callable[[nn.Module], Adam] | None = None,
    ) -> Epoch:
        torch.manual_seed(0)
        config = configuration(cell, size)
        model = RecurrentClassifier(config.model, VOCABULARY, CLASSES).to(self.device)
        if optimizer:
            updates = Updates(model, optimizer(model), precision)
        else:
            updates = make_updates(model, config.optimizer, precision)
        trainer = Trainer(updates, self.texts, None, config.training, np.random.default_rng(0))
        return self.timed(lambda: trainer._run_epoch(lambda step: None))

    def graph(self, cell: str, size: int, *, captured: bool) -> Epoch:
        """Steps on batches of one shape, as one CUDA graph or not."""
        config = configuration(cell, size)
        model = RecurrentClassifier(config.model, VOCABULARY, CLASSES).to(self.device)
        adam = Adam(model.parameters(), lr=0.001, fused=True, capturable=captured)
        positions = np.argsort(self.texts.lengths, kind="stable")[:BATCH_SIZE]
        batch = make_batch(self.texts, positions).to(self.device)

        def step() -> None:
            adam.zero_grad()
            cross_entropy(model(*batch.inputs), batch.labels).backward()
            adam.step()

        def replayed() -> Callable[[], object]:
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(3):
                    step()
            torch.cuda.current_stream().wait_stream(stream)
            recorded = torch.cuda.CUDAGraph()
            adam.zero_grad()
            with torch.cuda.graph(recorded):
                step()
            return recorded.replay

        self.kept.append(step)  # A replayed graph reads and writes the memory of what it recorded.
        once = replayed() if captured else step
        words = self.steps * int(batch.lengths.sum())
        epoch = self.timed(lambda: [once() for _ in range(self.steps)])
        return lambda: epoch() * words / self.words


@functools.cache
def configuration(cell: str, size: int) -> Config:
    register_schema()
    with initialize_config_dir(str(REPO / "conf")):
        overrides = [f"cell={cell}", f"hidden_size={size}", f"embedding_size={EMBEDDING_SIZE}"]
        config = from_omegaconf(compose("config", ["dataset=sample", *overrides]))
    return replace(config, training=replace(config.training, batch_size=BATCH_SIZE, epochs=1000))


def in_turns(ways: dict[str, tuple[Epoch, Callable[[], object]]], rounds: int) -> dict[str, list]:
    """Returns the words a second of each way in each round, after one that warms up."""
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, (epoch, setting) in ways.items():
            with setting():
                speed = epoch()
            if number:
                speeds[name].append(speed)
    return speeds


def with_spread(values: list[float]) -> str:
    return f"{statistics.median(values):.0f} ({min(values):.0f} to {max(values):.0f})"


def row(*cells: object) -> None:
    print("|", " | ".join(map(str, cells)), "|", flush=True)


def head(*cells: str) -> None:
    print()
    row(*cells)
    row(*["---"] * len(cells))


@contextmanager
def nondeterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(False)
    yield
    torch.use_deterministic_algorithms(True, warn_only=True)


@contextmanager
def tf32() -> Iterator[None]:
    torch.backends.cudnn.rnn.fp32_precision = "tf32"
    yield
    torch.backends.cudnn.rnn.fp32_precision = "ieee"


@contextmanager
def torchs_defaults() -> Iterator[None]:
    with nondeterministic(), tf32():
        yield


def training(options: argparse.Namespace) -> None:
    head("texts", "cell", "hidden size", "(a) words/s", "(b)", "(c)", "(d)", "(d)/(a)", "(d)/(c)")
    for shape in options.texts:
        bench = Bench(options, shape)
        for cell in options.cells:
            for size in options.sizes:
                speeds = in_turns(
                    {
                        "a": (bench.handouts_way(cell, size), torchs_defaults),
                        "b": (bench.stock(cell, size, packed=True), nondeterministic),
                        "c": (bench.stock(cell, size, packed=False), nondeterministic),
                        "d": (bench.trainer(cell, size), nullcontext),
                    },
                    options.rounds,
                )
                a, _, c, d = (statistics.median(values) for values in speeds.values())
                ratios = (f"{d / other:.2f}" for other in (a, c))
                row(shape, cell, size, *map(with_spread, speeds.values()), *ratios)


@contextmanager
def unfilled_memory() -> Iterator[None]:
    torch.utils.deterministic.fill_uninitialized_memory = False
    yield
    torch.utils.deterministic.fill_uninitialized_memory = True


def techniques(options: argparse.Namespace) -> None:
    for shape in options.texts:
        bench = Bench(options, shape)
        for cell in options.cells:
            measure_techniques(bench, shape, cell, options)
    if bench.cuda:  # at the end, because a capture that fails may leave CUDA unusable
        for shape in options.texts:
            for cell in options.cells:
                measure_graph(Bench(options, shape), shape, cell, options)


def measure_techniques(bench: Bench, shape: str, cell: str, options: argparse.Namespace) -> None:
    size = options.size
    ours = bench.trainer(cell, size)
    unfused = bench.trainer(
        cell, size, optimizer=lambda model: Adam(model.parameters(), lr=0.001, fused=False)
    )
    foreach = bench.trainer(
        cell, size, optimizer=lambda model: Adam(model.parameters(), lr=0.001, foreach=True)
    )
    ways: dict[str, tuple[Epoch, Callable[[], object]]] = {
        "as it is": (ours, nullcontext),
        "Adam by `foreach`, torch's default": (foreach, nullcontext),
        "Adam parameter by parameter": (unfused, nullcontext),
        "uninitialized memory is not filled": (ours, unfilled_memory),
        "nondeterministic operations": (ours, nondeterministic),
        "TF32 in the layer": (ours, tf32),
        "precision=bf16": (bench.trainer(cell, size, torch.bfloat16), nullcontext),
    }
    head(f"{shape} texts, {cell} {size}", "words/s", "ratio")
    show(in_turns(ways, options.rounds))


def measure_graph(bench: Bench, shape: str, cell: str, options: argparse.Namespace) -> None:
    head(f"{shape} texts of one length, {cell} {options.size}", "words/s", "ratio")
    try:
        ways = {
            "step by step": (bench.graph(cell, options.size, captured=False), nondeterministic),
            "a CUDA graph": (bench.graph(cell, options.size, captured=True), nondeterministic),
        }
        show(in_turns(ways, options.rounds))
    except RuntimeError as error:
        row("a CUDA graph", "cannot be captured", str(error).splitlines()[0])


def show(speeds: dict[str, list[float]]) -> None:
    base = statistics.median(next(iter(speeds.values())))
    for name, values in speeds.items():
        row(name, with_spread(values), f"{statistics.median(values) / base:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["training", "techniques"])
    parser.add_argument("--texts", nargs="+", default=list(LENGTHS), choices=list(LENGTHS))
    parser.add_argument("--cells", nargs="+", default=["gru", "lstm", "rnn"])
    parser.add_argument("--sizes", nargs="+", type=int, default=[128, 256, 512, 1024])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    device = torch.device(options.device)
    prepare_torch(device=device)
    print(f"{describe(device)}, torch {torch.__version__}", flush=True)
    {"training": training, "techniques": techniques}[options.what](options)


if __name__ == "__main__":
    main()
