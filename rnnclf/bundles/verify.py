"""The reported accuracies of a model, computed again."""

from dataclasses import dataclass, replace
from pathlib import Path

from rnnclf.bundles.bundle import reported
from rnnclf.data.corpus import Texts
from rnnclf.data.prepared import load as load_corpus
from rnnclf.data.sources import default_data_folder
from rnnclf.data.splits import hold_out
from rnnclf.errors import DataError
from rnnclf.files.result import TextCounts
from rnnclf.model.classifier import Classifier
from rnnclf.model.store import load

TOLERATED = 0.001  # of the texts: another processor may round differently


@dataclass(frozen=True)
class Verified:
    """The accuracy on a part, as reported and as computed again."""

    part: str
    texts: int
    reported: float
    computed: float

    @property
    def agrees(self) -> bool:
        """Whether the two differ by no more than one text, or one in a thousand."""
        difference = abs(self.reported - self.computed) * self.texts
        return round(difference) <= max(1, TOLERATED * self.texts)


def verify(folder: Path, data_folder: Path | None) -> list[Verified]:
    """Computes again the accuracies that a bundle or the folder of a run reports.

    The test split is read only if the model was tested before. For the data folder and errors see
    `texts_of`.
    """
    classifier, result = load(folder), reported(folder)
    parts = texts_of(classifier, result.texts, data_folder)
    accuracies = {"validation": result.val_accuracy, "test": result.test_accuracy}
    return [
        Verified(part, len(parts[part]), accuracy, classifier.score(parts[part]).accuracy)
        for part, accuracy in accuracies.items()
        if accuracy is not None
    ]


def texts_of(
    classifier: Classifier, counts: TextCounts, data_folder: Path | None
) -> dict[str, Texts]:
    """Loads the parts `train`, `validation` and `test` of a model's data set.

    Args:
        classifier: The model.
        counts: How many texts each part must have.
        data_folder: The raw files, or the CSV files of a data set that has a folder, or a folder
            around that. None: the default data folder, or the folder in the configuration.

    Raises:
        DataError: If the data cannot be had or is not the model's.
    """
    dataset = classifier.config.dataset
    if dataset.folder is None:
        data_folder = data_folder or default_data_folder()
    elif data_folder is None:
        data_folder = Path(dataset.folder)
        if not data_folder.is_dir():  # a bundle knows only its name
            raise DataError(
                f"where is the folder {data_folder} with train.csv and test.csv? set --data FOLDER"
            )
    else:
        inside = data_folder / Path(dataset.folder).name
        dataset = replace(dataset, folder=str(inside if inside.is_dir() else data_folder))
    corpus = load_corpus(dataset, data_folder)
    unknown = sorted(set(corpus.classes) - set(classifier.classes))
    if unknown:
        raise DataError(f"{data_folder}: the model has no class {unknown[0]!r}")
    training, validation = hold_out(corpus.train, dataset)
    parts = {"train": training, "validation": validation, "test": corpus.test}
    for part, texts in parts.items():
        if len(texts) != getattr(counts, part):
            raise DataError(
                f"{data_folder}: {len(texts)} {part} texts where the model reports "
                f"{getattr(counts, part)}; the model was made with other data"
            )
    return parts
