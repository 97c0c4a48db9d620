"""A bundle: a trained model with its accuracies and a page about it, without the run."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hydra_study_sweeper.files import (
    RecordError,
    beside,
    check_place,
    read_record,
    write_record,
    write_text,
)
from hydra_study_sweeper.paths import shown
from hydra_study_sweeper.records import RefitRecord

from rnnclf.bundles.card import model_card
from rnnclf.configuration.schema import Config, PathsConfig
from rnnclf.data.own import file_names
from rnnclf.errors import ModelError
from rnnclf.files.bundle import BundleRecord, Member
from rnnclf.files.paths import BundlePaths, RunPaths
from rnnclf.files.result import ModelResult
from rnnclf.files.tensors import save_tensors
from rnnclf.model.classifier import Classifier
from rnnclf.model.store import digest, load, read_lines, save_description


def write_bundle(
    model_folder: Path, to: Path, *, study: str | None = None, refit: RefitRecord | None = None
) -> None:
    """Makes a bundle of a run's model.

    The bundle appears as a whole or not at all; one that is there already is replaced. `study` and
    `refit` tell which study found the model, if one did.

    Raises:
        ModelError: If the model is damaged, or something other than a bundle is at `to`.
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
    """Makes a bundle of a classifier and its accuracies; see `write_bundle`."""
    check_replaceable(to)
    config = without_places(classifier.config)
    to.parent.mkdir(parents=True, exist_ok=True)
    with beside(to) as temporary:
        new = BundlePaths(Path(temporary) / "new")
        new.folder.mkdir()
        save_description(config, classifier.vocabulary, classifier.classes, new)
        save_tensors(classifier.model.state_dict(), new.weights)
        digests = {path.name: digest(path) for path in new.all}
        record = BundleRecord(result, digests, study, refit, list(members) if members else None)
        write_record(new.metrics, record)
        write_text(new.card, model_card(to.name, config, classifier.classes, record))
        load(new.folder)
        if to.exists():
            to.rename(Path(temporary) / "old")
        new.folder.rename(to)


def write_run_card(config: Config, folder: Path) -> None:
    """Writes the model card of a finished run into its folder.

    Raises:
        ModelError: If its files are damaged.
    """
    paths = RunPaths(folder)
    record = BundleRecord(reported(folder), {})
    write_text(paths.card, model_card(str(shown(folder)), config, read_lines(paths.labels), record))


def reported(folder: Path) -> ModelResult:
    """Returns the result that a bundle or the folder of a run reports.

    Raises:
        ModelError: If the folder is neither, or its record is damaged.
    """
    path = BundlePaths(folder).metrics
    try:
        if path.exists():
            return read_record(BundleRecord, path).result
        path = RunPaths(folder).result
        return read_record(ModelResult, path)
    except RecordError as error:
        raise ModelError(f"{path} is {error}") from error


def check_replaceable(folder: Path) -> None:
    """Makes sure that a bundle can be written, and that nothing but one is replaced.

    Raises:
        ModelError: If something else is there.
        OSError: If nothing can be written there.
    """
    check_place(folder)
    if not folder.exists():
        return
    try:
        read_record(BundleRecord, BundlePaths(folder).metrics)
    except RecordError as error:
        raise ModelError(
            f"{folder} exists and is not a bundle; nothing was changed; choose another --to"
        ) from error


def without_places(config: Config) -> Config:
    """Returns the configuration without the folders of the machine that made the model."""
    dataset, vectors = config.dataset, config.model.vectors
    names = file_names(dataset)
    if dataset.folder:
        names["folder"] = Path(dataset.folder).resolve().name
    return replace(
        config,
        dataset=replace(dataset, **names),  # type: ignore[arg-type]
        model=replace(config.model, vectors=vectors and Path(vectors).name, init_from=None),
        paths=PathsConfig(data="data", outputs="outputs"),
    )
