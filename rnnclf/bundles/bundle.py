"""A bundle: a trained model by itself, with what it achieved and a page about it."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hydra_study_sweeper.files import RecordError, read_record, write_record, write_text
from hydra_study_sweeper.records import RefitRecord

from rnnclf.bundles.card import model_card
from rnnclf.bundles.record import BundleRecord, Member
from rnnclf.configuration.schema import Config, PathsConfig
from rnnclf.errors import ModelError
from rnnclf.files.paths import BundlePaths, RunPaths
from rnnclf.files.result import ModelResult, read_result
from rnnclf.model.classifier import Classifier
from rnnclf.model.store import digest, load, save_description, save_weights


def write_bundle(
    model_folder: Path, to: Path, *, study: str | None = None, refit: RefitRecord | None = None
) -> None:
    """Makes a bundle of a run's model.

    The bundle appears as a whole or not at all; one that is there already is replaced.

    Args:
        model_folder: The folder of the run.
        to: The bundle.
        study: The name of the study that found the model, if one did.
        refit: What came of the refit that trained the model, if one did.

    Raises:
        ModelError: If the model is damaged, or something else than a bundle is at `to`.
    """
    save_bundle(load(model_folder), reported(model_folder), to, study=study, refit=refit)


def save_bundle(
    classifier: Classifier,
    result: ModelResult,
    to: Path,
    *,
    study: str | None = None,
    refit: RefitRecord | None = None,
    members: Sequence[Member] | None = None,
) -> None:
    """Makes a bundle of a classifier and what it achieves; see `write_bundle`."""
    check_replaceable(to)
    config = _without_places(classifier.config)
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to.parent, prefix=f".{to.name}-") as temporary:
        new = BundlePaths(Path(temporary) / "new")
        new.folder.mkdir()
        save_description(config, classifier.vocabulary, classifier.classes, new)
        save_weights(classifier.model.state_dict(), new.weights)
        record = BundleRecord(
            result=result,
            sha256={path.name: digest(path) for path in new.all},
            study=study,
            refit=refit,
            members=list(members) if members else None,
        )
        write_record(new.metrics, record)
        write_text(new.card, model_card(to.name, config, classifier.classes, record))
        load(new.folder)
        if to.exists():
            to.rename(Path(temporary) / "old")
        new.folder.rename(to)


def reported(folder: Path) -> ModelResult:
    """Returns what a bundle or the folder of a run says that its model achieves.

    Raises:
        ModelError: If there is neither, or what it says makes no sense.
    """
    bundle, run = BundlePaths(folder), RunPaths(folder)
    try:
        if bundle.metrics.exists():
            return read_record(BundleRecord, bundle.metrics).result
        if run.result.exists():
            return read_result(folder).of_model()
    except RecordError as error:
        raise ModelError(f"{folder}: what it achieves is {error}") from error
    raise ModelError(f"{folder}: neither a bundle nor a finished run")


def check_replaceable(folder: Path) -> None:
    """Makes sure that a bundle may be written in a place: nothing is there, or a bundle.

    Raises:
        ModelError: If it may not.
    """
    if not folder.exists():
        return
    try:
        read_record(BundleRecord, BundlePaths(folder).metrics)
    except RecordError as error:
        raise ModelError(f"{folder} is there and no bundle; nothing was changed") from error


def _without_places(config: Config) -> Config:
    """Returns the configuration without where its maker keeps things."""
    folder, vectors = config.dataset.folder, config.model.vectors
    return replace(
        config,
        dataset=replace(config.dataset, folder=Path(folder).resolve().name if folder else None),
        model=replace(config.model, vectors=Path(vectors).name if vectors else None),
        paths=PathsConfig(data="data", outputs="outputs"),
    )
