"""One run: load, build, fit, evaluate, record."""

import logging
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from rnnclf.classifier import Classifier, build_model, save_description, save_weights
from rnnclf.data.corpus import Corpus, Texts
from rnnclf.data.sources import load_corpus
from rnnclf.data.splits import stratified_split
from rnnclf.data.torchtext_adapter import count_words, read_vectors
from rnnclf.data.vocabulary import Vocabulary
from rnnclf.errors import ConfigError
from rnnclf.evaluate import predict_logits, score
from rnnclf.fit import EVALUATION_BATCH_SIZE, EpochMetrics, fit
from rnnclf.optimizers import make_optimizer, schedule_factor
from rnnclf.paths import RunPaths
from rnnclf.progress import TrainingProgress
from rnnclf.record import (
    MetricsFile,
    draw_pictures,
    outcome,
    summary,
    write_predictions,
    write_result,
)
from rnnclf.reproducibility import choose_device, describe, prepare_torch, seed_everything
from rnnclf.schema import Config, DatasetConfig

log = logging.getLogger(__name__)


def train(config: Config, folder: Path) -> float:
    """Trains one classifier and leaves its record in `folder`.

    Args:
        config: A checked configuration with `evaluate_test` settled.
        folder: Where the files of `RunPaths` go; it exists and has no result yet.

    Returns:
        The best validation accuracy.

    Raises:
        ConfigError: If `folder` holds a finished run, or the device does not exist.
        DataError: If the data set cannot be had.
        TrainingError: If the loss becomes NaN or infinite.
        KeyboardInterrupt: On Ctrl-C; the finished epochs and the best model so far stay.
    """
    paths = RunPaths(folder)
    if paths.result.exists():
        raise ConfigError(f"{folder} holds a finished run; nothing was changed there")
    started, clock = datetime.now(UTC), [time.perf_counter()]
    prepare_torch(config.threads)
    device = choose_device(config.device)
    order = seed_everything(config.seed)

    corpus, training, validation = load_texts(config.dataset, Path(config.paths.data))
    classifier = build_classifier(config, corpus.classes, training)
    save_description(config, classifier.vocabulary, classifier.classes, paths)
    clock.append(time.perf_counter())

    epochs, best = _fit(classifier, training, validation, device=device, order=order, paths=paths)
    clock.append(time.perf_counter())

    val_logits = _logits(classifier, validation, device)
    test_scores = None
    if config.evaluate_test:
        test_logits = _logits(classifier, corpus.test, device)
        test_scores = score(test_logits, classifier.class_indices(corpus.test.labels))
    write_predictions(classifier, validation, val_logits, paths.predictions)
    draw_pictures(classifier, validation, val_logits, epochs=epochs, best=best, paths=paths)
    clock.append(time.perf_counter())

    phases = dict(zip(("load", "fit", "evaluate"), np.diff(clock).round(3).tolist(), strict=True))
    sizes = {"train": len(training), "validation": len(validation), "test": len(corpus.test)}
    result = outcome(classifier, best, test_scores, len(epochs)) | {
        "texts": sizes,
        "device": describe(device),
        "started": started.isoformat(timespec="seconds"),
        "seconds": phases | {"total": round(clock[-1] - clock[0], 3)},
    }
    write_result(result, paths.result)
    for line in summary(result, folder):
        log.info("%s", line)
    return best.val_accuracy


def load_texts(config: DatasetConfig, data_folder: Path) -> tuple[Corpus, Texts, Texts]:
    """Loads a data set and takes the validation part out of its training split.

    Returns:
        The data set, the training texts without the validation part, and the validation part.
    """
    corpus = load_corpus(
        config.name,
        data_folder,
        labels=config.labels,
        csv_folder=Path(config.folder) if config.folder else None,
        train_fraction=config.train_fraction,
        split_seed=config.split_seed,
    )
    training, validation = stratified_split(
        corpus.train, config.validation_fraction, config.split_seed
    )
    return corpus, training, validation


def build_classifier(config: Config, classes: list[str], training: Texts) -> Classifier:
    """Makes an untrained classifier with the words of the training texts.

    Raises:
        DataError: If `model.vectors` names a file that does not fit.
    """
    vocabulary = Vocabulary(count_words(training.texts, config.dataset.min_frequency))
    model = build_model(config.model, len(vocabulary), len(classes))
    if config.model.vectors:
        vectors = read_vectors(
            Path(config.model.vectors), vocabulary.words, config.model.embedding_size
        )
        with torch.no_grad():
            model.embedding.weight.copy_(vectors)
    return Classifier(config, vocabulary, classes, model)


def _fit(
    classifier: Classifier,
    training: Texts,
    validation: Texts,
    *,
    device: torch.device,
    order: np.random.Generator,
    paths: RunPaths,
) -> tuple[list[EpochMetrics], EpochMetrics]:
    """Trains the classifier's model; returns the metrics of all epochs and of the best."""
    config, model = classifier.config, classifier.model.to(device)
    settings = config.training
    steps = -(-len(training) // settings.batch_size)
    log.info(
        "%s with %s: %d training and %d validation texts, %d classes, %d words, on %s",
        *(config.dataset.name, config.model.cell, len(training), len(validation)),
        *(len(classifier.classes), len(classifier.vocabulary), describe(device)),
    )
    optimizer = make_optimizer(
        config.optimizer.name,
        model.parameters(),
        lr=config.optimizer.lr,
        weight_decay=config.optimizer.weight_decay,
        momentum=config.optimizer.momentum,
    )
    with MetricsFile(paths.metrics) as file, TrainingProgress(settings.epochs, steps) as progress:

        def on_epoch(metrics: EpochMetrics, is_best: bool) -> None:
            if is_best:
                save_weights(model, paths.weights)
            file.append(metrics)
            progress.on_epoch(metrics, is_best)

        try:
            best = fit(
                model,
                classifier.encode(training.texts, training.labels),
                classifier.encode(validation.texts, validation.labels),
                optimizer,
                epochs=settings.epochs,
                batch_size=settings.batch_size,
                order=order,
                schedule=schedule_factor(
                    settings.schedule, settings.warmup, steps * settings.epochs
                ),
                label_smoothing=settings.label_smoothing,
                clip_norm=settings.clip_norm,
                patience=settings.patience,
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


def _logits(classifier: Classifier, texts: Texts, device: torch.device) -> torch.Tensor:
    encoded = classifier.encode(texts.texts)
    return predict_logits(classifier.model, encoded, EVALUATION_BATCH_SIZE, device)
