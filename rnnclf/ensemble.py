"""Several trained models as one that answers by the mean of their probabilities."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rnnclf.bundle import check_replaceable, reported, save_bundle
from rnnclf.classifier import Classifier
from rnnclf.config import identity
from rnnclf.errors import ModelError
from rnnclf.metrics import Scores
from rnnclf.model import Ensemble, count_parameters
from rnnclf.model_folder import load
from rnnclf.verify import REPORTED, measure, texts_of

MEASURES = ("accuracy", "macro_f1", "loss")
OF_ONE_RUN = ("seed", "identity", "best_epoch", "epochs", "started", "seconds", "config")


def write_ensemble(folders: Sequence[Path], to: Path, data_folder: Path | None) -> dict[str, Any]:
    """Makes a bundle of models that were trained alike but for their seeds.

    Its accuracies are computed anew, on the parts on which all the models were measured; so the
    test split is read only if all were tested before.

    Args:
        folders: Bundles or folders of runs.
        to: The bundle.
        data_folder: The raw files of the data sets, or of `train.csv` and `test.csv`; None: where
            the data folder is by default.

    Returns:
        What the bundle reports: the fields of `result.json` which are not of a single run, and
        `members` with the seeds and accuracies of those.

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
    parts = texts_of(first, results[0], data_folder)
    result = {name: value for name, value in results[0].items() if name not in OF_ONE_RUN}
    result["parameters"] = count_parameters(model)
    for part, name in REPORTED.items():
        is_known = all(one[f"{name}_accuracy"] is not None for one in results)
        result |= _measured(name, measure(together, parts[part]) if is_known else None)
    result["members"] = [_member(one) for one in results]
    save_bundle(together, result, to)
    return result


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


def _measured(name: str, found: Scores | None) -> dict[str, float | None]:
    return {f"{name}_{measure}": getattr(found, measure, None) for measure in MEASURES}


def _member(result: Mapping[str, Any]) -> dict[str, Any]:
    return {name: result[name] for name in ("seed", "val_accuracy", "test_accuracy")}
