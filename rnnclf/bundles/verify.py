"""The reported accuracies of a model, computed again."""

from dataclasses import dataclass, replace
from pathlib import Path

from rnnclf.bundles.bundle import reported
from rnnclf.configuration.schema import DatasetConfig
from rnnclf.data.corpus import Texts
from rnnclf.data.own import file_names, is_own
from rnnclf.data.prepared import load as load_corpus
from rnnclf.data.prepared import place_of, splits_digest
from rnnclf.data.sources import default_data_folder
from rnnclf.data.splits import hold_out
from rnnclf.errors import DataError
from rnnclf.files.result import ModelResult, TextCounts
from rnnclf.model.classifier import Classifier
from rnnclf.model.store import load

AS_REPORTED = "as reported"
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

    @property
    def verdict(self) -> str:
        """`AS_REPORTED`, or its contrary."""
        return AS_REPORTED if self.agrees else f"not {AS_REPORTED}".upper()


def verify(folder: Path, data_folder: Path | None) -> list[Verified]:
    """Computes again the accuracies that a bundle or the folder of a run reports.

    The test split is read only if the model was tested before. For the data folder and errors see
    `texts_of`.
    """
    classifier, result = load(folder), reported(folder)
    parts = texts_of(classifier, result, data_folder)
    accuracies = {"validation": result.val_accuracy, "test": result.test_accuracy}
    return [
        Verified(part, len(parts[part]), accuracy, classifier.score(parts[part]).accuracy)
        for part, accuracy in accuracies.items()
        if accuracy is not None
    ]


def texts_of(
    classifier: Classifier, result: ModelResult, data_folder: Path | None
) -> dict[str, Texts]:
    """Loads the parts `train`, `validation` and `test` of a model's data set.

    Args:
        classifier: The model.
        result: Its result, whose digest the data must have.
        data_folder: The raw files, the user's own files, or the parent of their folder. None: the
            default data folder, or the places in the configuration.

    Raises:
        DataError: If the data cannot be read or is not the model's.
    """
    dataset = _placed(classifier.config.dataset, data_folder)
    data_folder = data_folder or default_data_folder()
    corpus, place = load_corpus(dataset, data_folder), place_of(dataset, data_folder)
    unknown = sorted(set(corpus.classes) - set(classifier.classes))
    if unknown:
        raise DataError(f"{place}: the model has no class {unknown[0]!r}")
    training, validation = hold_out(corpus, dataset)
    sizes = TextCounts(len(training), len(validation), len(corpus.test))
    if splits_digest(corpus) != result.splits or sizes != result.texts:
        raise DataError(f"{place}: the model was made with other data")
    return {"train": training, "validation": validation, "test": corpus.test}


def _placed(dataset: DatasetConfig, data_folder: Path | None) -> DatasetConfig:
    """Returns the configuration with the user's own files where they are on this machine."""
    if not is_own(dataset):
        return dataset
    place = dataset.folder or dataset.file or ""
    if data_folder is None:
        if not Path(place).exists():  # a bundle knows only its name
            what = "folder" if dataset.folder else "file"
            raise DataError(f"where is the {what} {place}? set --data FOLDER")
        return dataset
    if dataset.folder:
        inside = data_folder / Path(place).name
        return replace(dataset, folder=str(inside if inside.is_dir() else data_folder))
    inside_it = {key: str(data_folder / name) for key, name in file_names(dataset).items()}
    return replace(dataset, **inside_it)  # type: ignore[arg-type]
