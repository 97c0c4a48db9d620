"""Several trained models as one that answers by the mean of their probabilities."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rnnclf.bundles.bundle import check_replaceable, reported, save_bundle, without_places
from rnnclf.bundles.verify import texts_of
from rnnclf.configuration.identity import identity
from rnnclf.errors import ModelError
from rnnclf.files.bundle import Member
from rnnclf.files.result import ModelResult
from rnnclf.model.classifier import Classifier
from rnnclf.model.network import Ensemble, count_parameters
from rnnclf.model.store import load
from rnnclf.training.record import measures


def write_ensemble(
    folders: Sequence[Path], to: Path, data_folder: Path | None
) -> tuple[ModelResult, list[Member]]:
    """Makes a bundle of models that were trained alike except for their seeds.

    Its accuracies are computed on the parts on which all the models were measured, so the test
    split is read only if all were tested before.

    Args:
        folders: Bundles or folders of runs.
        to: The bundle.
        data_folder: See `texts_of`.

    Returns:
        The result of the models together, and each alone.

    Raises:
        ModelError: If a model is damaged, there are fewer than two, or they do not fit together.
    """
    check_replaceable(to)
    if len(folders) < 2:
        raise ModelError("an ensemble takes at least two models")
    classifiers = [load(folder) for folder in folders]
    results = [reported(folder) for folder in folders]
    _check_alike(folders, classifiers, results)
    first = classifiers[0]
    model = Ensemble([network for one in classifiers for network in one.networks]).eval()
    together = replace(first, model=model)
    texts = texts_of(first, results[0], data_folder)
    scores = {
        part: together.score(texts[part])
        for part, name in (("validation", "val_accuracy"), ("test", "test_accuracy"))
        if all(getattr(one, name) is not None for one in results)
    }
    result = replace(
        results[0],
        parameters=count_parameters(model),
        temperature=1.0,
        **measures(scores, together.classes),
    )
    members = [
        Member(one.config.seed, alone.val_accuracy, alone.test_accuracy)
        for one, alone in zip(classifiers, results, strict=True)
    ]
    save_bundle(together, result, to, members=members)
    return result, members


def _check_alike(
    folders: Sequence[Path], classifiers: Sequence[Classifier], results: Sequence[ModelResult]
) -> None:
    first, seeds = classifiers[0], set()
    # A bundle names the user's own files without their folders; the hash of the texts tells more.
    configs = [replace(without_places(one.config), seed=0) for one in classifiers]
    for folder, one, config, result in zip(folders, classifiers, configs, results, strict=True):
        if len(one.networks) > 1:
            raise ModelError(f"{folder}: is an ensemble already; name its members instead")
        if identity(config) != identity(configs[0]) or one.classes != first.classes:
            raise ModelError(f"{folder}: differs from {folders[0]} in more than the seed")
        same_words = one.vocabulary.words == first.vocabulary.words
        if not same_words or result.splits != results[0].splits:
            raise ModelError(f"{folder}: was trained on other texts than {folders[0]}")
        if one.config.seed in seeds:
            raise ModelError(f"{folder}: has seed {one.config.seed}, like another of the models")
        seeds.add(one.config.seed)
