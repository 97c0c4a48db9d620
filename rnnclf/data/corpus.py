"""Labelled texts."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Texts:
    """Texts and the names of their classes, side by side.

    Attributes:
        texts: The texts.
        labels: The names of their classes.
        rows: For the user's own files, an object of JSON for each: its `line` (of Parquet or a JSON
            list: its row) and its columns that are neither text nor label. A string takes the
            least memory.
    """

    texts: list[str]
    labels: list[str]
    rows: list[str] = field(default_factory=list, compare=False)

    def __len__(self) -> int:
        return len(self.texts)

    def other_columns(self) -> list[str]:
        """Returns the names of the columns in `rows`."""
        return [name for name in json.loads(self.rows[0]) if name != "line"] if self.rows else []

    def take(self, indices: Iterable[int]) -> "Texts":
        """Returns the texts at `indices`, in that order."""
        chosen = list(indices)
        rows = [self.rows[i] for i in chosen] if self.rows else []
        return Texts([self.texts[i] for i in chosen], [self.labels[i] for i in chosen], rows)


@dataclass(frozen=True)
class Corpus:
    """A data set with its splits.

    Attributes:
        classes: All class names, sorted by index.
        train: The training split, with the validation part unless that has a file of its own.
        test: The test split.
        validation: The validation part of a data set that has a file for it.
        notes: What was found in the user's own files, a line each.
        complaints: What looks wrong with them, a line each.
    """

    classes: list[str]
    train: Texts
    test: Texts
    validation: Texts | None = None
    notes: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


def class_indices(labels: Iterable[str], classes: Sequence[str]) -> npt.NDArray[np.int64]:
    """Returns the index of each label among the classes."""
    index = {name: position for position, name in enumerate(classes)}
    return np.array([index[name] for name in labels], dtype=np.int64)
