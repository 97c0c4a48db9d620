"""One run: load, build, fit, evaluate, record."""

import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from hydra_study_sweeper import announce, report, time_is_up
from hydra_study_sweeper.files import discard_unfinished, write_record
from hydra_study_sweeper.paths import shown

from rnnclf.configuration.identity import identity
from rnnclf.configuration.schema import Config, TrainingConfig
from rnnclf.data.prepared import PreparedTexts, load_test, prepare
from rnnclf.data.vectors import read_vectors
from rnnclf.errors import ConfigError, ModelError, TrainingError
from rnnclf.files.command import as_typed_here
from rnnclf.files.epochs import EpochMetrics, write_epochs
from rnnclf.files.paths import RunPaths
from rnnclf.files.predictions import Prediction, write_predictions
from rnnclf.files.tensors import save_tensors
from rnnclf.model.calibration import calibrate
from rnnclf.model.classifier import Classifier
from rnnclf.model.evaluate import score
from rnnclf.model.metrics import Scores
from rnnclf.model.network import RecurrentClassifier
from rnnclf.model.store import load, save_description
from rnnclf.training.checkpoint import checkpoint_of, save_checkpoint
from rnnclf.training.init_from import (
    check_same_network,
    drawn_anew,
    take_weights,
    with_words_and_classes,
)
from rnnclf.training.pretrain import pretrain
from rnnclf.training.progress import EpochProgress, describe_epoch
from rnnclf.training.record import calibrated_on, predictions_of, result_of, summary
from rnnclf.training.reproducibility import (
    choose_device,
    describe,
    prepare_torch,
    seed_everything,
)
from rnnclf.training.tracking import WriteCard, tracked
from rnnclf.training.trainer import Trainer, balanced_weights
from rnnclf.training.updates import make_updates
from rnnclf.training.wide import BATCH_SIZE, EPOCHS, train_wide

PRECISIONS = {"float32": torch.float32, "bf16": torch.bfloat16}

log = logging.getLogger(__name__)


def train(
    config: Config, folder: Path, tracker: str | None = None, card: WriteCard | None = None
) -> float:
    """Trains one classifier and leaves its record in `folder`.

    If a run of the same configuration has left a checkpoint there, this one continues after the
    last finished epoch, with the result of a run without interruption. `tracker` names where the
    run is also recorded; `card` writes its model card at the end.

    Returns:
        The best validation metric. Without a validation part, that of the test texts, or if it is
        not measured, the training accuracy.

    Raises:
        optuna.TrialPruned: If the run is a trial of a study that prunes it.
        ConfigError: If `folder` holds a finished run, another process trains there, or the device
            does not exist or is not that of the checkpoint.
        DataError: If the data set cannot be had.
        TrainingError: If the loss becomes NaN or infinite.
        ModelError: If the checkpoint is damaged.
        KeyboardInterrupt: On Ctrl-C or SIGTERM; the checkpoint stays.
    """
    lock = folder / ".lock"
    try:
        held = FileLock(lock).acquire(timeout=0)
    except Timeout as error:
        raise ConfigError(f"{folder}: another process is training there") from error
    with held:
        try:
            discard_unfinished(folder)
            with tracked(tracker, config, RunPaths(folder), card):
                return _train(config, RunPaths(folder))
        finally:
            lock.unlink()


def _train(config: Config, paths: RunPaths) -> float:
    if paths.result.exists():
        raise ConfigError(
            f"{paths.folder} holds a finished run; nothing was changed there; "
            f"from={paths.folder} trains it again, elsewhere"
        )
    started, clock = datetime.now(UTC), [time.perf_counter()]
    device = choose_device(config.device)
    prepare_torch(config.threads, device)
    order = seed_everything(config.seed)

    data = prepare(config.dataset, Path(config.paths.data), config.model.wide_buckets)
    given = load(config.model.init_from) if config.model.init_from else None
    if given:
        check_same_network(given, config)
        data = with_words_and_classes(data, given)
        data = replace(data, complaints=[*data.complaints, *drawn_anew(config.dataset)])
    classifier = build_classifier(config, data)
    if given:
        take_weights(given, classifier)
    classifier.model.to(device)
    save_description(config, classifier.vocabulary, classifier.classes, paths)
    clock.append(time.perf_counter())

    epochs, best = _fit(classifier, data, order, paths)
    clock.append(time.perf_counter())

    temperature = 1.0
    if config.training.calibrate and len(data.validation):
        temperature = calibrate(classifier, data.validation)
        log.info("%s", calibrated_on(len(data.validation), temperature))
        save_tensors(classifier.model.state_dict(), paths.weights)
    scores = _evaluate(classifier, data, paths)
    clock.append(time.perf_counter())

    result = result_of(
        classifier,
        data,
        best,
        scores,
        temperature=temperature,
        epochs=epochs,
        device=describe(device),
        started=started,
        clock=clock,
    )
    write_record(paths.result, result)
    paths.checkpoint.unlink(missing_ok=True)
    for line in summary(result, paths.folder):
        log.info("%s", line)
    metric = config.training.metric
    value = best.validation(metric)
    if value is not None:
        return value
    return scores["test"].value(metric) if scores else best.train_accuracy


def _evaluate(classifier: Classifier, data: PreparedTexts, paths: RunPaths) -> dict[str, Scores]:
    """Scores the parts that are there, `validation` and `test`, and writes the predictions."""
    config = classifier.config
    parts = {"validation": data.validation_texts}
    if config.evaluate_test:
        parts["test"] = load_test(config.dataset, Path(config.paths.data), data.splits)
    scores: dict[str, Scores] = {}
    predictions: list[Iterator[Prediction]] = []
    others: dict[str, None] = {}
    for part, texts in parts.items():
        if len(texts):
            logits = classifier.logits(texts.texts)
            scores[part] = score(logits, classifier.class_indices(texts.labels))
            if not math.isfinite(scores[part].loss):
                raise TrainingError(f"the {part} loss is {scores[part].loss}; try a lower lr")
            predictions.append(predictions_of(part, texts, classifier.classes, logits))
            others |= dict.fromkeys(texts.other_columns())
    if predictions:
        write_predictions(paths.predictions, chain(*predictions), others)
    return scores


def build_classifier(config: Config, data: PreparedTexts) -> Classifier:
    """Makes an untrained classifier with the words of the training texts."""
    vocabulary, classes = data.vocabulary, data.classes
    model = RecurrentClassifier(config.model, len(vocabulary), len(classes))
    if config.model.vectors:
        found = read_vectors(Path(config.model.vectors), vocabulary, config.model.embedding_size)
        model.take_vectors(*map(torch.from_numpy, found))
    if model.wide is not None and data.training.bags is not None:
        model.wide.idf = torch.from_numpy(data.training.bags.idf(config.model.wide_buckets))
    return Classifier(config, vocabulary, classes, model)


def _fit(
    classifier: Classifier, data: PreparedTexts, order: np.random.Generator, paths: RunPaths
) -> tuple[int, EpochMetrics]:
    """Trains the classifier's model; returns the number of epochs and the metrics of the best."""
    training = classifier.with_subwords(data.training)
    validation = classifier.with_subwords(data.validation)
    (network,) = classifier.networks
    config = classifier.config
    settings = config.training
    steps = -(-len(training) // settings.batch_size)
    log.info(
        f"{config.dataset.name}: {len(data.training)} training and {len(data.validation)} "
        f"validation texts, {len(classifier.classes)} classes, {len(classifier.vocabulary)} words"
    )
    for note in data.notes:
        log.info("%s", note)
    for complaint in data.complaints:
        log.warning("%s", complaint)
    log.info("training the %s on %s", config.model.cell, describe(network.device))
    make = partial(
        make_updates,
        settings=config.optimizer,
        precision=PRECISIONS[config.precision],
        clip_norm=settings.clip_norm,
    )
    weights = None
    if settings.class_weights:
        weights = balanced_weights(training.labels, len(classifier.classes))
    checkpoint = checkpoint_of(config, data.splits, network.device, paths)
    if network.wide is not None and not checkpoint:
        # The order is one of its own, so that the rest is trained as without it.
        own_order = np.random.default_rng(config.seed)
        fit_wide = partial(train_wide, network.wide, training, own_order, weights)
        _train_before("wide path", EPOCHS, -(-len(training) // BATCH_SIZE), fit_wide)
    training = replace(training, bags=None)  # the path is fixed from here on
    if settings.pretrain_epochs and not checkpoint:
        epochs = settings.pretrain_epochs
        learn_words = partial(pretrain, network, training, make, settings, order)
        _train_before("pretraining", epochs, steps, learn_words)
    validated = validation if len(validation) else None
    trainer = Trainer(make(network), training, validated, settings, order, weights)
    if checkpoint:
        _go_on(trainer, checkpoint, paths, settings)
    progress = EpochProgress("epoch", settings.epochs, steps, done=len(trainer.epochs))
    best = _run(trainer, config, data.splits, paths, progress)
    return len(trainer.epochs), best


def _train_before(what: str, epochs: int, steps: int, training: Callable[..., None]) -> None:
    """Runs a training that comes before that of the whole network."""
    with EpochProgress(f"{what} epoch", epochs, steps) as progress:

        def on_epoch(epoch: int, loss: float) -> None:
            progress.on_epoch(epoch, f"loss {loss:.4f}")
            announce(f"{what} {epoch} of {epochs}")

        training(on_step=progress.on_step, on_epoch=on_epoch, is_time_up=time_is_up)


def _go_on(
    trainer: Trainer, checkpoint: dict[str, Any], paths: RunPaths, settings: TrainingConfig
) -> None:
    try:
        trainer.load_state_dict(checkpoint["trainer"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"{paths.checkpoint}: does not fit this model; delete it to start again"
        ) from error
    save_tensors(trainer.best_weights, paths.weights)
    log.info("continuing after epoch %d", len(trainer.epochs))
    for metrics in trainer.epochs:
        _report(metrics, settings)


def _run(
    trainer: Trainer, config: Config, splits: str, paths: RunPaths, progress: EpochProgress
) -> EpochMetrics:
    """Runs the trainer, leaves its state after each epoch, and returns the best epoch."""
    origin = {"identity": identity(config), "splits": splits, "device": trainer.device.type}
    metric = config.training.metric

    def on_epoch(metrics: EpochMetrics, is_best: bool) -> None:
        if is_best:
            save_tensors(trainer.best_weights, paths.weights)
        write_epochs(paths.metrics, [metrics], append=True)
        save_checkpoint(origin | {"trainer": trainer.state_dict()}, paths.checkpoint)
        progress.on_epoch(metrics.epoch, describe_epoch(metrics, metric, is_best=is_best))
        _report(metrics, config.training)

    write_epochs(paths.metrics, trainer.epochs)
    try:
        with progress:
            best = trainer.run(progress.on_step, on_epoch, time_is_up)
    except (KeyboardInterrupt, OSError) as error:
        interruption = _interruption(error)
        if interruption is None:
            raise
        raise type(interruption)(
            f"{str(interruption) or 'interrupted'} after {len(trainer.epochs)} of "
            f"{config.training.epochs} epochs; "
            + as_typed_here(f"python run.py resume={shown(paths.folder)} continues")
        ) from error
    if time_is_up():
        log.warning("the time was up in epoch %d", len(trainer.epochs))
    return best


def _interruption(error: BaseException | None) -> KeyboardInterrupt | None:
    """Returns the interruption behind an error, if there is one.

    A signal may, for example, have `shutil.rmtree` close a folder twice, which fails.
    """
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error


def _report(metrics: EpochMetrics, settings: TrainingConfig) -> None:
    value = metrics.validation(settings.metric)
    if value is None:
        announce(f"{metrics.epoch} of {settings.epochs}")
    else:
        report(value, metrics.epoch, settings.epochs)
