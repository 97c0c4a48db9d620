"""What a tracker is told, and what a tracker must be able to do."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from hydra_study_sweeper.records import State, Value

Point = tuple[str, int]
"""The name and the step of a value over time."""


@dataclass(frozen=True)
class Entry:
    """A study, a trial or a run, as far as it has come.

    Attributes:
        key: Finds it again, also from another process.
        name: Its name below its parent.
        parent: The key of the study to which it belongs.
        state: How it ended, or `running`.
        params: Its hyperparameters.
        series: Values by their names and steps.
        values: Its results.
        notes: What else there is to know, in words.
        files: Files to keep with it.
    """

    key: str
    name: str
    parent: str | None
    state: State
    params: dict[str, Value]
    series: dict[str, dict[int, float]] = field(default_factory=dict)
    values: dict[str, float] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    files: tuple[Path, ...] = ()


class Tracker(Protocol):
    """A tracker, used by one thread; it may raise whatever it likes."""

    def __init__(self, folder: Path) -> None:
        """Opens the tracker for the study or the run in `folder`, without asking a server."""

    def begin(self, entry: Entry) -> bool:
        """Makes an entry, or finds it again by its key; tells whether it still has its points."""

    def update(self, entry: Entry, points: dict[Point, float]) -> None:
        """Writes the state of an entry, and further points of it."""

    def close(self) -> None:
        """Writes what is not written yet."""
