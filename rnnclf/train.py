"""One run: load, build, fit, evaluate, record."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer

from rnnclf.classifier import Classifier, build_model
from rnnclf.data.corpus import Texts
from rnnclf.data.encoding import EncodedTexts
from rnnclf.data.prepared import PreparedTexts, load_test, prepare
from rnnclf.data.torchtext_adapter import read_vectors
from rnnclf.errors import ConfigError, TrainingError
from rnnclf.evaluate import predict_logits, score
from rnnclf.figures import draw_learning_curves
from rnnclf.fit import EVALUATION_BATCH_SIZE, EpochMetrics, fit
from rnnclf.metrics import Scores
from rnnclf.model_folder import save_description, save_weights
from rnnclf.optimizers import make_optimizer, schedule_factor
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

PRECISIONS = {"float32": torch.float32, "bf16": torch.bfloat16}

log = logging.getLogger(__name__)


def train(config: Config, folder: Path) -> float:
    """Trains one classifier and leaves its record in `folder`.

    Args:
        config: A checked configuration with `evaluate_test` settled.
        folder: Where the files of `RunPaths` go; it exists and has no result yet.

    Returns:
        The best validation accuracy; without a validation part the test accuracy, or where the
        test split is not read the training accuracy.

    Raises:
        optuna.TrialPruned: If the run is a trial of a study that prunes it.
        ConfigError: If `folder` holds a finished run, or the device does not exist.
        DataError: If the data set cannot be had.
        TrainingError: If the loss becomes NaN or infinite.
        KeyboardInterrupt: On Ctrl-C; the finished epochs and the best model so far stay.
    """
    paths = RunPaths(folder)
    if paths.result.exists():
        raise ConfigError(f"{folder} holds a finished run; nothing was changed there")
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
    for line in summary(result, folder):
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
        vectors = read_vectors(
            Path(config.model.vectors), vocabulary.words, config.model.embedding_size
        )
        with torch.no_grad():
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
    config, model = classifier.config, classifier.model.to(device)
    settings = config.training
    steps = -(-len(data.training) // settings.batch_size)
    log.info(
        "%s with %s: %d training and %d validation texts, %d classes, %d words, on %s",
        *(config.dataset.name, config.model.cell, len(data.training), len(data.validation)),
        *(len(classifier.classes), len(classifier.vocabulary), describe(device)),
    )
    optimizer_for = _optimizer_for(config)
    if settings.pretrain_epochs:
        _pretrain(classifier, data.training, optimizer_for, order, device)
    with MetricsFile(paths.metrics) as file, TrainingProgress(settings.epochs, steps) as progress:

        def on_epoch(metrics: EpochMetrics, is_best: bool) -> None:
            if is_best:
                save_weights(model, paths.weights)
            file.append(metrics)
            progress.on_epoch(metrics, is_best)
            if metrics.val_accuracy is not None:
                report(metrics.val_accuracy, metrics.epoch)

        try:
            best = fit(
                model,
                data.training,
                data.validation if len(data.validation) else None,
                optimizer_for(model),
                epochs=settings.epochs,
                batch_size=settings.batch_size,
                order=order,
                schedule=schedule_factor(
                    settings.schedule, settings.warmup, steps * settings.epochs
                ),
                label_smoothing=settings.label_smoothing,
                clip_norm=settings.clip_norm,
                patience=settings.patience,
                precision=PRECISIONS[config.precision],
                device=device,
                on_step=progress.on_step,
                on_epoch=on_epoch,
            )
        except KeyboardInterrupt as error:
            raise KeyboardInterrupt(
                f"interrupted after {len(file.epochs)} of {settings.epochs} epochs; "
                f"what was finished is in {paths.folder}"
            ) from error
    return file.epochs, best


def _optimizer_for(config: Config) -> Callable[[nn.Module], Optimizer]:
    return partial(
        make_optimizer,
        config.optimizer.name,
        lr=config.optimizer.lr,
        weight_decay=config.optimizer.weight_decay,
        momentum=config.optimizer.momentum,
    )


def _pretrain(
    classifier: Classifier,
    texts: EncodedTexts,
    optimizer_for: Callable[[nn.Module], Optimizer],
    order: np.random.Generator,
    device: torch.device,
) -> None:
    settings = classifier.config.training
    steps = -(-len(texts) // settings.batch_size)
    with PretrainingProgress(settings.pretrain_epochs, steps) as progress:
        pretrain(
            classifier.model,
            texts,
            optimizer_for,
            epochs=settings.pretrain_epochs,
            batch_size=settings.batch_size,
            order=order,
            clip_norm=settings.clip_norm,
            precision=PRECISIONS[classifier.config.precision],
            device=device,
            on_step=progress.on_step,
            on_epoch=progress.on_epoch,
        )


def _logits(classifier: Classifier, texts: Texts, device: torch.device) -> torch.Tensor:
    encoded = classifier.encode(texts.texts)
    return predict_logits(classifier.model, encoded, EVALUATION_BATCH_SIZE, device)
