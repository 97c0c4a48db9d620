"""`metrics.json` of a bundle: the record of its model."""

from dataclasses import dataclass
from typing import Literal

from hydra_study_sweeper.records import RefitRecord

from rnnclf.files.result import Count, ModelResult, Share


@dataclass(frozen=True)
class Member:
    """A network of an ensemble.

    Attributes:
        seed: The seed with which it was trained.
        val_accuracy: Its own accuracy on the validation part, if it was measured.
        test_accuracy: Its own accuracy on the test split, if it was measured.
    """

    seed: Count
    val_accuracy: Share | None
    test_accuracy: Share | None


@dataclass(frozen=True)
class BundleRecord:
    """The record of the model of a bundle.

    Attributes:
        result: What the model achieves.
        sha256: The checksums of its files, by their names.
        study: The name of the study that found it, if one did.
        refit: The result of the refit that trained it, if one did.
        members: The networks of an ensemble.
        format: The format of the bundle.
    """

    result: ModelResult
    sha256: dict[str, str]
    study: str | None = None
    refit: RefitRecord | None = None
    members: list[Member] | None = None
    format: Literal[1] = 1
