"""`result.json`: the outcome of a run; written last, so its presence means that it finished."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from msgspec import Meta

Share = Annotated[float, Meta(ge=0, le=1)]
Loss = Annotated[float, Meta(ge=0)]
Duration = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
# A part of the names of files, and of pages in Markdown.
Name = Annotated[str, Meta(pattern=r"^\w[\w.-]*\Z", max_length=100)]
Version = Annotated[str, Meta(pattern=r"^[\w.+-]+\Z", max_length=100)]
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{12}\Z")]
Metric = Literal["accuracy", "macro_f1"]
METRICS: dict[str, str] = {"accuracy": "accuracy", "macro_f1": "macro-F1"}  # as people read them
Setting = (
    Annotated[str, Meta(max_length=4096)]
    | Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
    | float
    | bool
    | None
)


@dataclass(frozen=True)
class TextCounts:
    """The number of texts in each part.

    Attributes:
        train: In the training part.
        validation: In the validation part.
        test: In the test split.
    """

    train: Count
    validation: Count
    test: Count


@dataclass(frozen=True)
class Seconds:
    """The seconds that each phase of a run took.

    Attributes:
        load: Reading and encoding the data.
        fit: Training, with the validation after each epoch.
        evaluate: The evaluation of the kept weights.
        total: The whole run.
    """

    load: Duration
    fit: Duration
    evaluate: Duration
    total: Duration


@dataclass(frozen=True)
class ClassResult:
    """What a model achieves on a class of a part.

    Attributes:
        label: The class.
        precision: Share of the texts predicted as this class that are of it; 0 if there are none.
        recall: Share of the texts of this class that are predicted as such; 0 if there are none.
        f1: The harmonic mean of the two.
        support: The number of texts of this class.
    """

    label: str
    precision: Share
    recall: Share
    f1: Share
    support: Count


@dataclass(frozen=True)
class Threshold:
    """What remains if only answers with at least some probability are accepted.

    Attributes:
        probability: The smallest probability of an answer that is taken.
        coverage: The share of the validation texts with such an answer.
        accuracy: The accuracy of these answers; null if there are none.
    """

    probability: Share
    coverage: Share
    accuracy: Share | None


@dataclass(frozen=True)
class ModelResult:
    """What a model achieves; null if it was not measured on a part.

    Attributes:
        dataset: The name of the data set.
        cell: The recurrent cell.
        val_accuracy: Accuracy on the validation part.
        val_macro_f1: Macro-F1 on the validation part.
        val_loss: Cross-entropy on the validation part.
        test_accuracy: Accuracy on the test split.
        test_macro_f1: Macro-F1 on the test split.
        test_loss: Cross-entropy on the test split.
        val_calibration_error: Expected calibration error on the validation part: the mean distance
            between probability and accuracy over 15 bins.
        test_calibration_error: The same on the test split.
        val_classes: Precision, recall, F1 and support of each class on the validation part.
        test_classes: The same on the test split.
        thresholds: Accuracy and coverage on the validation part at some thresholds.
        temperature: What the logits were divided by (`training.calibrate`); 1 without.
        parameters: The number of trainable parameters.
        vocabulary_size: The number of words in the vocabulary.
        classes: The number of classes.
        texts: The sizes of the parts.
        data: A hash of all texts with their labels, however they are split.
        splits: A hash of the training and the test split, each in its order.
        git_revision: The commit of the program, if it is known.
        versions: The versions of Python and of the packages on which a result depends.
    """

    dataset: Name
    cell: Name
    val_accuracy: Share | None
    val_macro_f1: Share | None
    val_loss: Loss | None
    test_accuracy: Share | None
    test_macro_f1: Share | None
    test_loss: Loss | None
    val_calibration_error: Share | None
    test_calibration_error: Share | None
    val_classes: list[ClassResult] | None
    test_classes: list[ClassResult] | None
    thresholds: list[Threshold] | None
    temperature: Annotated[float, Meta(gt=0)]
    parameters: Count
    vocabulary_size: Count
    classes: Count
    texts: TextCounts
    data: Digest
    splits: Digest
    git_revision: Name | None
    versions: dict[Name, Version]

    def __post_init__(self) -> None:
        """Refuses an accuracy without a loss, or on no texts."""
        for part, texts in (("val", self.texts.validation), ("test", self.texts.test)):
            measured = getattr(self, f"{part}_accuracy") is not None
            if measured and (getattr(self, f"{part}_loss") is None or not texts):
                raise ValueError(f"{part}_accuracy without {part}_loss or texts")


@dataclass(frozen=True)
class RunResult(ModelResult):
    """The outcome of a run.

    Attributes:
        best_epoch: The epoch whose weights were kept.
        epochs: The number of epochs that were trained.
        seed: The seed of the run.
        identity: A hash of everything that determines the result.
        device: The device on which it was trained.
        started: The time of its start (ISO 8601).
        seconds: The duration.
        config: The resolved configuration.
        format: The format of the file.
    """

    best_epoch: Count
    epochs: Count
    seed: Count
    identity: Name
    device: Annotated[str, Meta(max_length=100)]
    started: Annotated[str, Meta(pattern=r"^[\dT:.+-]+\Z", max_length=40)]
    seconds: Seconds
    config: dict[Name, Setting | dict[Name, Setting]]
    format: Literal[1] = 1

    def __post_init__(self) -> None:
        """Refuses a configuration that does not tell which texts the run read."""
        super().__post_init__()
        dataset = self.config.get("dataset")
        if not isinstance(dataset, dict) or not all(
            isinstance(dataset.get(key, 0), str | None) for key in ("labels", "folder")
        ):
            raise ValueError("its configuration has no dataset with labels and folder")


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns a nested configuration by full keys such as `model.hidden_size`."""
    values: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, dict):  # several times as fast as with Mapping
            values |= flat(value, f"{prefix}{name}.")
        else:
            values[prefix + name] = value
    return values
