"""One run: load, build, fit, evaluate, record."""

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout

from rnnclf.atomic import discard_unfinished
from rnnclf.checkpoint import load_checkpoint, save_checkpoint
from rnnclf.classifier import Classifier, build_model
from rnnclf.config import identity
from rnnclf.data.corpus import Texts
from rnnclf.data.prepared import PreparedTexts, load_test, prepare
from rnnclf.data.vectors import STD_WITHOUT, read_vectors
from rnnclf.errors import ConfigError, ModelError, TrainingError
from rnnclf.evaluate import predict_logits, score
from rnnclf.figures import draw_learning_curves
from rnnclf.metrics import Scores
from rnnclf.model_folder import save_description, save_weights
from rnnclf.optimizers import make_optimizer
from rnnclf.paths import RunPaths
from rnnclf.pretrain import pretrain
from rnnclf.progress import PretrainingProgress, TrainingProgress
from rnnclf.record import (
    MetricsFile,
    draw_confusions,
    outcome,
    summary,
    write_predictions,
    write_result,
)
from rnnclf.reproducibility import choose_device, describe, prepare_torch, seed_everything
from rnnclf.schema import Config
from rnnclf.study import report
from rnnclf.trainer import EVALUATION_BATCH_SIZE, EpochMetrics, Trainer

PRECISIONS = {"float32": torch.float32, "bf16": torch.bfloat16}

log = logging.getLogger(__name__)


def train(config: Config, folder: Path) -> float:
    """Trains one classifier and leaves its record in `folder`.

    Where a run of the same configuration has left a checkpoint there, it goes on after the last
    finished epoch, and the result is that of a run without a break.

    Args:
        config: A checked configuration with `evaluate_test` settled.
        folder: Where the files of `RunPaths` go; it exists and has no result yet.

    Returns:
        The best validation accuracy; without a validation part the test accuracy, or where the
        test split is not read the training accuracy.

    Raises:
        optuna.TrialPruned: If the run is a trial of a study that prunes it.
        ConfigError: If `folder` holds a finished run or another process trains there, or if the
            device does not exist or is not that of the checkpoint.
        DataError: If the data set cannot be had.
        TrainingError: If the loss becomes NaN or infinite.
        ModelError: If the checkpoint is damaged.
        KeyboardInterrupt: On Ctrl-C or SIGTERM; the checkpoint stays.
    """
    with _alone_in(folder):
        discard_unfinished(folder)
        return _train(config, RunPaths(folder))


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    path = folder / ".lock"
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise ConfigError(f"{folder}: another process is training there") from error
    try:
        yield
    finally:
        path.unlink()
        lock.release()


def _train(config: Config, paths: RunPaths) -> float:
    if paths.result.exists():
        raise ConfigError(f"{paths.folder} holds a finished run; nothing was changed there")
    started, clock = datetime.now(UTC), [time.perf_counter()]
    device = choose_device(config.device)
    prepare_torch(config.threads, device)
    order = seed_everything(config.seed)

    data = prepare(config.dataset, Path(config.paths.data))
    classifier = build_classifier(config, data)
    save_description(config, classifier.vocabulary, classifier.classes, paths)
    clock.append(time.perf_counter())

    data = replace(
        data,
        training=classifier.spelled(data.training),
        validation=classifier.spelled(data.validation),
    )
    epochs, best = _fit(classifier, data, device=device, order=order, paths=paths)
    clock.append(time.perf_counter())

    test_scores = None
    shown = data.validation_texts
    if config.evaluate_test:
        test = load_test(config.dataset, Path(config.paths.data))
        test_logits = _logits(classifier, test, device)
        test_scores = score(test_logits, classifier.class_indices(test.labels))
        if not math.isfinite(test_scores.loss):
            raise TrainingError(f"the test loss is {test_scores.loss}; try a lower lr")
        shown = shown if len(shown) else test
    if len(shown):
        logits = _logits(classifier, shown, device)
        write_predictions(classifier, shown, logits, paths.predictions)
        draw_confusions(classifier, shown, logits, paths.confusion_matrix)
    draw_learning_curves(epochs, best.epoch, paths.learning_curves)
    clock.append(time.perf_counter())

    phases = dict(zip(("load", "fit", "evaluate"), np.diff(clock).round(3).tolist(), strict=True))
    sizes = {
        "train": len(data.training),
        "validation": len(data.validation),
        "test": data.num_test,
    }
    result = outcome(classifier, best, test_scores, len(epochs)) | {
        "texts": sizes,
        "device": describe(device),
        "started": started.isoformat(timespec="seconds"),
        "seconds": phases | {"total": round(clock[-1] - clock[0], 3)},
    }
    write_result(result, paths.result)
    paths.checkpoint.unlink(missing_ok=True)
    for line in summary(result, paths.folder):
        log.info("%s", line)
    return _objective(best, test_scores)


def _objective(best: EpochMetrics, test: Scores | None) -> float:
    """Returns what a search would look at; without a validation part that is the test."""
    if best.val_accuracy is not None:
        return best.val_accuracy
    return best.train_accuracy if test is None else test.accuracy


def build_classifier(config: Config, data: PreparedTexts) -> Classifier:
    """Makes an untrained classifier with the words of the training texts.

    Raises:
        DataError: If `model.vectors` names a file that does not fit.
    """
    vocabulary, classes = data.vocabulary, data.classes
    model = build_model(config.model, len(vocabulary), len(classes))
    if config.model.vectors:
        vectors = read_vectors(Path(config.model.vectors), vocabulary, config.model.embedding_size)
        with torch.no_grad():
            model.embedding.weight.mul_(STD_WITHOUT)  # n-grams begin as small as unknown words
            model.embedding.weight[: len(vocabulary)] = vectors
    return Classifier(config, vocabulary, classes, model)


def _fit(
    classifier: Classifier,
    data: PreparedTexts,
    *,
    device: torch.device,
    order: np.random.Generator,
    paths: RunPaths,
) -> tuple[list[EpochMetrics], EpochMetrics]:
    """Trains the classifier's model; returns the metrics of all epochs and of the best."""
    (network,) = classifier.networks
    config, model = classifier.config, network.to(device)
    settings, precision = config.training, PRECISIONS[config.precision]
    steps = -(-len(data.training) // settings.batch_size)
    log.info(
        "%s with %s: %d training and %d validation texts, %d classes, %d words, on %s",
        *(config.dataset.name, config.model.cell, len(data.training), len(data.validation)),
        *(len(classifier.classes), len(classifier.vocabulary), describe(device)),
    )
    make = partial(
        make_optimizer,
        config.optimizer.name,
        lr=config.optimizer.lr,
        weight_decay=config.optimizer.weight_decay,
        momentum=config.optimizer.momentum,
    )
    checkpoint = _checkpoint_of(config, device, paths)
    if settings.pretrain_epochs and not checkpoint:
        with PretrainingProgress(settings.pretrain_epochs, steps) as progress:
            pretrain(
                model,
                data.training,
                make,
                settings,
                order=order,
                precision=precision,
                device=device,
                on_step=progress.on_step,
                on_epoch=progress.on_epoch,
            )
    trainer = Trainer(
        model,
        data.training,
        data.validation if len(data.validation) else None,
        make(model),
        settings,
        order=order,
        precision=precision,
        device=device,
    )
    if checkpoint:
        _go_on(trainer, checkpoint, paths)
    _run(trainer, config, paths, TrainingProgress(settings.epochs, steps, len(trainer.epochs)))
    assert trainer.best is not None, "there is at least one epoch"
    return trainer.epochs, trainer.best


def _checkpoint_of(config: Config, device: torch.device, paths: RunPaths) -> dict[str, Any] | None:
    """Reads the checkpoint that a run of this configuration left, if one did."""
    try:
        checkpoint = load_checkpoint(paths.checkpoint)
    except FileNotFoundError:
        return None
    if checkpoint.get("identity") != identity(config):
        log.info("the checkpoint in %s is of another configuration; it is left out", paths.folder)
        return None
    if checkpoint["device"] != device.type:
        raise ConfigError(
            f"{paths.checkpoint} was begun on {checkpoint['device']}, this is {device.type}; "
            f"go on there, or delete it to begin anew"
        )
    return checkpoint


def _go_on(trainer: Trainer, checkpoint: dict[str, Any], paths: RunPaths) -> None:
    try:
        trainer.load_state_dict(checkpoint["trainer"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"{paths.checkpoint}: another version wrote it; delete it to begin anew"
        ) from error
    save_weights(trainer.best_weights, paths.weights)
    log.info("going on after epoch %d", len(trainer.epochs))
    for metrics in trainer.epochs:
        _report(metrics)


def _run(trainer: Trainer, config: Config, paths: RunPaths, progress: TrainingProgress) -> None:
    """Runs the trainer and leaves its state after each epoch."""
    origin = {"identity": identity(config), "device": trainer.device.type}
    with MetricsFile(paths.metrics, trainer.epochs) as file, progress:

        def on_epoch(metrics: EpochMetrics, is_best: bool) -> None:
            if is_best:
                save_weights(trainer.best_weights, paths.weights)
            file.append(metrics)
            save_checkpoint(origin | {"trainer": trainer.state_dict()}, paths.checkpoint)
            progress.on_epoch(metrics, is_best)
            _report(metrics)

        try:
            trainer.run(progress.on_step, on_epoch)
        except KeyboardInterrupt as error:
            raise type(error)(
                f"{str(error) or 'interrupted'} after {len(trainer.epochs)} of "
                f"{config.training.epochs} epochs; python run.py resume={paths.folder} goes on"
            ) from error


def _report(metrics: EpochMetrics) -> None:
    if metrics.val_accuracy is not None:
        report(metrics.val_accuracy, metrics.epoch)


def _logits(classifier: Classifier, texts: Texts, device: torch.device) -> torch.Tensor:
    encoded = classifier.encode(texts.texts)
    return predict_logits(classifier.model, encoded, EVALUATION_BATCH_SIZE, device)
