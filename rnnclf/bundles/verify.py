"""Whether a model achieves what is reported of it."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from rnnclf.bundles.bundle import reported
from rnnclf.configuration.schema import DatasetConfig
from rnnclf.data.corpus import Texts
from rnnclf.data.prepared import load as load_corpus
from rnnclf.data.sources import default_data_folder
from rnnclf.data.splits import hold_out
from rnnclf.errors import DataError
from rnnclf.files.result import TextCounts
from rnnclf.model.classifier import Classifier
from rnnclf.model.evaluate import EVALUATION_BATCH_SIZE, predict_logits, score
from rnnclf.model.metrics import Scores
from rnnclf.model.store import load

TOLERATED = 0.001  # of the texts: another processor may round another way


@dataclass(frozen=True)
class Verified:
    """An accuracy, reported and computed anew.

    Attributes:
        part: `validation` or `test`.
        texts: How many.
        reported: As reported.
        computed: As computed now.
    """

    part: str
    texts: int
    reported: float
    computed: float

    @property
    def agrees(self) -> bool:
        """Whether the two differ by no more than a text, or one in a thousand."""
        difference = abs(self.reported - self.computed) * self.texts
        return round(difference) <= max(1, TOLERATED * self.texts)


def verify(folder: Path, data_folder: Path | None) -> list[Verified]:
    """Computes anew the accuracies that a bundle or the folder of a run reports.

    The test split is read only if the model was tested before.

    Args:
        folder: The model.
        data_folder: The raw files of the data sets, or the CSV files of a data set that has
            a folder. None: where the data folder is by default, or the folder in the configuration.

    Raises:
        ModelError: If the model is damaged.
        DataError: If the data cannot be had or is not that of the model.
    """
    classifier, result = load(folder), reported(folder)
    parts = texts_of(classifier, result.texts, data_folder)
    accuracies = {"validation": result.val_accuracy, "test": result.test_accuracy}
    return [
        Verified(part, len(parts[part]), accuracy, measure(classifier, parts[part]).accuracy)
        for part, accuracy in accuracies.items()
        if accuracy is not None
    ]


def texts_of(
    classifier: Classifier, counts: TextCounts, data_folder: Path | None
) -> dict[str, Texts]:
    """Loads the texts of a model, and makes sure that they are as many as it was made with.

    Returns:
        Those of the parts `train`, `validation` and `test`.

    Raises:
        DataError: If the data cannot be had or is not that of the model.
    """
    data_folder = data_folder or _default_folder(classifier.config.dataset)
    parts = _parts(classifier, data_folder)
    for part, texts in parts.items():
        if len(texts) != getattr(counts, part):
            raise DataError(
                f"{data_folder}: {len(texts)} {part} texts where the model reports "
                f"{getattr(counts, part)}; these are other data than it was made with"
            )
    return parts


def _default_folder(dataset: DatasetConfig) -> Path:
    if dataset.folder is None:
        return default_data_folder()
    folder = Path(dataset.folder)
    if not folder.is_dir():  # a bundle has nothing but its name
        raise DataError(f"say with --data where the folder {folder} with train.csv and test.csv is")
    return folder


def _parts(classifier: Classifier, data_folder: Path) -> dict[str, Texts]:
    dataset = classifier.config.dataset
    if dataset.folder is not None:
        inside = data_folder / Path(dataset.folder).name  # a folder of several data sets
        dataset = replace(dataset, folder=str(inside if inside.is_dir() else data_folder))
    corpus = load_corpus(dataset, data_folder)
    unknown = sorted(set(corpus.classes) - set(classifier.classes))
    if unknown:
        raise DataError(f"{data_folder}: the model has no class {unknown[0]!r}")
    training, validation = hold_out(corpus.train, dataset)
    return {"train": training, "validation": validation, "test": corpus.test}


def measure(classifier: Classifier, texts: Texts) -> Scores:
    """Computes how good a classifier's answers to labelled texts are."""
    encoded = classifier.encode(texts.texts)
    logits = predict_logits(classifier.model, encoded, EVALUATION_BATCH_SIZE, torch.device("cpu"))
    return score(logits, classifier.class_indices(texts.labels))
