"""Several trained models as one that answers by the mean of their probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rnnclf.bundles.bundle import check_replaceable, reported, save_bundle
from rnnclf.bundles.record import Member
from rnnclf.bundles.verify import measure, texts_of
from rnnclf.configuration.identity import identity
from rnnclf.data.corpus import Texts
from rnnclf.errors import ModelError
from rnnclf.files.result import ModelResult
from rnnclf.model.classifier import Classifier
from rnnclf.model.metrics import Scores
from rnnclf.model.network import Ensemble, count_parameters
from rnnclf.model.store import load


@dataclass(frozen=True)
class EnsembleResult:
    """What an ensemble achieves, and each of its members alone."""

    together: ModelResult
    members: list[Member]


def write_ensemble(folders: Sequence[Path], to: Path, data_folder: Path | None) -> EnsembleResult:
    """Makes a bundle of models that were trained alike but for their seeds.

    Its accuracies are computed anew, on the parts on which all the models were measured; so the
    test split is read only if all were tested before.

    Args:
        folders: Bundles or folders of runs.
        to: The bundle.
        data_folder: The raw files of the data sets, or of `train.csv` and `test.csv`; None: where
            the data folder is by default.

    Raises:
        ModelError: If a model is damaged, there are fewer than two, or they do not fit together.
        DataError: If the data cannot be had or is not that of the models.
    """
    check_replaceable(to)
    if len(folders) < 2:
        raise ModelError("an ensemble takes two models at least")
    classifiers = [load(folder) for folder in folders]
    results = [reported(folder) for folder in folders]
    _check_alike(folders, classifiers)
    first = classifiers[0]
    model = Ensemble([network for one in classifiers for network in one.networks]).eval()
    together = replace(first, model=model)
    parts = texts_of(first, results[0].texts, data_folder)
    validation = _measured(
        together, parts["validation"], [result.val_accuracy for result in results]
    )
    test = _measured(together, parts["test"], [result.test_accuracy for result in results])
    result = replace(
        results[0],
        parameters=count_parameters(model),
        val_accuracy=validation.accuracy if validation else None,
        val_macro_f1=validation.macro_f1 if validation else None,
        val_loss=validation.loss if validation else None,
        test_accuracy=test.accuracy if test else None,
        test_macro_f1=test.macro_f1 if test else None,
        test_loss=test.loss if test else None,
    )
    members = [
        Member(one.config.seed, alone.val_accuracy, alone.test_accuracy)
        for one, alone in zip(classifiers, results, strict=True)
    ]
    save_bundle(together, result, to, members=members)
    return EnsembleResult(result, members)


def _check_alike(folders: Sequence[Path], classifiers: Sequence[Classifier]) -> None:
    first, seeds = classifiers[0], set()
    for folder, one in zip(folders, classifiers, strict=True):
        if len(one.networks) > 1:
            raise ModelError(f"{folder}: is an ensemble already; name its members in its place")
        same = identity(replace(one.config, seed=first.config.seed)) == identity(first.config)
        if not same or one.classes != first.classes:
            raise ModelError(f"{folder}: differs from {folders[0]} in more than the seed")
        if one.vocabulary.words != first.vocabulary.words:
            raise ModelError(f"{folder}: knows other words than {folders[0]}")
        if one.config.seed in seeds:
            raise ModelError(f"{folder}: seed {one.config.seed} is there twice")
        seeds.add(one.config.seed)


def _measured(
    classifier: Classifier, texts: Texts, of_members: Sequence[float | None]
) -> Scores | None:
    return None if None in of_members else measure(classifier, texts)
