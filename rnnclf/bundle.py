"""A bundle: a trained model by itself, with what it achieved and a page about it."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rnnclf.atomic import write_text
from rnnclf.card import model_card
from rnnclf.classifier import Classifier
from rnnclf.errors import ModelError
from rnnclf.model_folder import digest, load, read_metrics, save_description, save_weights
from rnnclf.paths import BUNDLE_FORMAT, BundlePaths, RunPaths
from rnnclf.schema import Config, PathsConfig

PARTS = ("train", "validation", "test")


def write_bundle(
    model_folder: Path,
    to: Path,
    *,
    study: str | None = None,
    refit: Mapping[str, Any] | None = None,
) -> None:
    """Makes a bundle of a run's model.

    The bundle appears as a whole or not at all; one that is there already is replaced.

    Args:
        model_folder: The folder of the run.
        to: The bundle.
        study: The name of the study that found the model, if one did.
        refit: What `study.json` says of training its winner again, if that is the model.

    Raises:
        ModelError: If the model is damaged, or something else than a bundle is at `to`.
    """
    save_bundle(load(model_folder), reported(model_folder), to, study=study, refit=refit)


def save_bundle(
    classifier: Classifier,
    result: Mapping[str, Any],
    to: Path,
    *,
    study: str | None = None,
    refit: Mapping[str, Any] | None = None,
) -> None:
    """Makes a bundle of a classifier and what it achieved; see `write_bundle`."""
    check_replaceable(to)
    config = _without_places(classifier.config)
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to.parent, prefix=f".{to.name}-") as temporary:
        new = BundlePaths(Path(temporary) / "new")
        new.folder.mkdir()
        save_description(config, classifier.vocabulary, classifier.classes, new)
        save_weights(classifier.model.state_dict(), new.weights)
        metrics = {
            "format": BUNDLE_FORMAT,
            "study": study,
            "refit": refit,
            "result": {name: value for name, value in result.items() if name != "config"},
            "sha256": {path.name: digest(path) for path in new.all},
        }
        write_text(new.metrics, json.dumps(metrics, indent=2) + "\n")
        write_text(new.card, model_card(to.name, config, classifier.classes, metrics))
        load(new.folder)
        if to.exists():
            to.rename(Path(temporary) / "old")
        new.folder.rename(to)


def reported(folder: Path) -> dict[str, Any]:
    """Returns what a bundle or the folder of a run says that its model achieved.

    Raises:
        ModelError: If there is neither, or what it says makes no sense.
    """
    path = BundlePaths(folder).metrics
    result: Any
    try:
        if path.exists():
            result = read_metrics(folder).get("result")
        else:
            path = RunPaths(folder).result
            result = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{folder}: neither a bundle nor a finished run") from None
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: damaged ({error})") from error
    if not _makes_sense(result):
        raise ModelError(f"{path}: numbers of texts or accuracies are missing or impossible")
    return dict(result)


def _makes_sense(result: Any) -> bool:
    try:
        counted = all(type(result["texts"][part]) is int for part in PARTS)
        accuracies = (result["val_accuracy"], result["test_accuracy"])
        return counted and all(share is None or 0 <= share <= 1 for share in accuracies)
    except (KeyError, TypeError):
        return False


def check_replaceable(folder: Path) -> None:
    """Makes sure that a bundle may be written in a place: nothing is there, or a bundle.

    Raises:
        ModelError: If it may not.
    """
    if not folder.exists():
        return
    try:
        read_metrics(folder)
    except (ModelError, OSError) as error:
        raise ModelError(f"{folder} is there and no bundle; nothing was changed") from error


def _without_places(config: Config) -> Config:
    """Returns the configuration without where its maker keeps things."""
    folder, vectors = config.dataset.folder, config.model.vectors
    return replace(
        config,
        dataset=replace(config.dataset, folder=Path(folder).name if folder else None),
        model=replace(config.model, vectors=Path(vectors).name if vectors else None),
        paths=PathsConfig(data="data", outputs="outputs"),
    )
