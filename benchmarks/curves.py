"""Records the learning curves of a search space, which `replay.py` searches again.

    python benchmarks/curves.py questions-default [--configurations 500] [--workers 1] [--device D]

Trains configurations (GRU), one at a time for each worker: the defaults, a plain GRU, then a
quasi-random design. `questions-default` has the space of `sweeps=default`, and `questions` that of
`sweeps=questions`. Each 8th configuration is trained with four validation parts and seeds. Texts
are fewer than those of the studies (`REDUCED`). The curves go to `benchmarks/curves/NAME.parquet`
after each training, so an interrupted recording is continued by the same command. Seconds are
recorded on a CPU only: those of a GPU are no measure of a CPU's. Only one recorder at a time may
write a file. Needs the raw files of the data set in $RNNCLF_DATA.
"""

import argparse
import itertools
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from hydra_study_sweeper.space.points import Point, as_overrides
from recordings import (
    SEARCHES,
    Run,
    composed,
    missing,
    path_of,
    read_runs,
    space_of,
    write_runs,
)

from rnnclf.configuration.composed import from_omegaconf
from rnnclf.configuration.schema import Config
from rnnclf.data.prepared import load_test, prepare
from rnnclf.errors import TrainingError
from rnnclf.files.epochs import EpochMetrics
from rnnclf.model.evaluate import predict_logits, score
from rnnclf.training.pretrain import pretrain
from rnnclf.training.reproducibility import (
    choose_device,
    describe,
    git_revision,
    prepare_torch,
    seed_everything,
)
from rnnclf.training.run import build_classifier
from rnnclf.training.trainer import Trainer
from rnnclf.training.updates import make_updates
from rnnclf.training.wide import train_wide

TESTED = 1500  # test texts at most


def train(config: Config) -> dict[str, list[float]]:
    """Trains one configuration and returns its curves; see `Run`."""
    device = choose_device(config.device)
    prepare_torch(config.threads, device)
    data_folder = Path(config.paths.data)
    data, test = prepare(config.dataset, data_folder, config.model.wide_buckets), None
    began = time.process_time()
    order = seed_everything(config.seed)
    classifier = build_classifier(config, data)
    training, validation = map(classifier.with_subwords, (data.training, data.validation))
    make = partial(make_updates, settings=config.optimizer, clip_norm=config.training.clip_norm)
    network = classifier.model.to(device)
    if network.wide is not None:
        train_wide(network.wide, training, np.random.default_rng(config.seed))
    training = replace(training, bags=None)
    if config.training.pretrain_epochs:
        pretrain(network, training, make, config.training, order)
    trainer = Trainer(make(network), training, validation, config.training, order)
    curves = {name: [] for name in ("val_accuracy", "val_loss", "test_accuracy", "seconds")}
    testing = 0.0

    def on_epoch(metrics: EpochMetrics, is_best: bool) -> None:
        nonlocal test, testing
        ended = time.process_time()
        if test is None:
            texts = load_test(config.dataset, data_folder, data.splits)
            texts = texts.take(range(min(TESTED, len(texts))))
            labels = classifier.class_indices(texts.labels)
            test = replace(classifier.encode(texts.texts), labels=labels)
        scores = score(predict_logits(network, test), test.labels)
        values = (metrics.val_accuracy, metrics.val_loss, scores.accuracy, ended - began - testing)
        for curve, value in zip(curves.values(), values, strict=True):
            curve.append(value)
        testing += time.process_time() - ended

    try:
        trainer.run(on_epoch=on_epoch)
    except TrainingError as error:
        print(error)
    return curves if device.type == "cpu" else curves | {"seconds": []}


def trained_by(device: str) -> str:
    """Says what trains: revision, torch and device."""
    name = describe(choose_device(device))
    return f"{git_revision()}; torch {torch.__version__}; {name}"


def record(number: int, repeat: int, point: Point, overrides: Sequence[str], by: str) -> Run:
    """Trains one configuration; see `Run` for the other arguments."""
    varied = [f"seed={repeat}", f"dataset.validation_seed={repeat}"]
    curves = train(from_omegaconf(composed([*overrides, *varied])))
    return Run(number, repeat, point, **curves, by=by)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=SEARCHES)
    parser.add_argument("--configurations", type=int, default=500)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    path, space = path_of(options.name), space_of(options.name)
    runs, fixed = read_runs(path), [*SEARCHES[options.name], f"device={options.device}"]
    by = trained_by(options.device)
    left = missing(space, runs, options.configurations)
    running: set[Future[Run]] = set()
    with ProcessPoolExecutor(options.workers, get_context("spawn")) as pool:
        while True:
            for number, repeat, point in itertools.islice(left, options.workers - len(running)):
                overrides = [*fixed, *as_overrides(point, space.dimensions)]
                running.add(pool.submit(record, number, repeat, point, overrides, by))
            if not running:
                return
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            runs += [future.result() for future in ended if not future.exception()]
            write_runs(path, runs)
            for future in ended:
                future.result()  # raises what went wrong, when the others are safe
            print(len(runs), "trainings", flush=True)


if __name__ == "__main__":
    main()
