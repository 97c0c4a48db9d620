"""The thread that mirrors records into a tracker; no run waits for it or fails by it."""

import importlib
import importlib.util
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Self, cast

from hydra.utils import get_class
from msgspec import Meta

from hydra_study_sweeper.errors import ConfigError, describe_error
from hydra_study_sweeper.files import RecordError, read_record, write_record
from hydra_study_sweeper.paths import tracking_record
from hydra_study_sweeper.records import State
from hydra_study_sweeper.tracking.entry import Entry, Point, Tracker

log = logging.getLogger(__name__)
LIBRARIES = {"tensorboard": "tensorboardX", "mlflow": "mlflow", "wandb": "wandb"}
EVERY = 2.0  # seconds between two looks at the records
PATIENCE = 20.0  # seconds without progress after which a command ends without its tracker

Reader = Callable[[str, State], Iterable[Entry]]
"""Reads the entries from the records: of a key and the state of the whole, which comes first."""


@dataclass
class TrackingRecord:
    """What a tracker has of a study or a run.

    Attributes:
        key: Begins the keys of all its entries.
        ended: The keys of those that are complete in the tracker.
    """

    key: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")] = field(
        default_factory=lambda: uuid.uuid4().hex
    )
    ended: list[str] = field(default_factory=list)


def tracker_class(name: str) -> type[Tracker]:
    """Returns the tracker with a name, or the class with a dotted path.

    Raises:
        ConfigError: If there is none, it cannot be imported, or its library is not installed.
    """
    if "." in name:
        try:
            return cast(type[Tracker], get_class(name))
        except (ImportError, ValueError) as error:
            raise ConfigError(f"tracking={name}: {describe_error(error)}") from error
    if name not in LIBRARIES:
        raise ConfigError(f"tracking is {', '.join(LIBRARIES)} or a dotted path; it is {name}")
    if importlib.util.find_spec(LIBRARIES[name]) is None:
        raise ConfigError(f"tracking={name}: pip install 'hydra-study-sweeper[{name}]' first")
    module = importlib.import_module(f"hydra_study_sweeper.tracking.{name}")
    return cast(type[Tracker], module.Tracker)


class Mirror:
    """Mirrors records into a tracker while its block runs, and once more at its end.

    Args:
        name: The tracker.
        folder: Of the study or the run.
        read: Reads its entries.
    """

    def __init__(self, name: str, folder: Path, read: Reader) -> None:
        self._name, self._folder, self._read = name, folder, read
        self._class = tracker_class(name)
        self._path = tracking_record(folder, name)
        self._tracker: Tracker | None = None
        self._written: dict[str, Entry] = {}
        self._points: dict[str, set[Point]] = {}
        self._problem: str | None = None
        self._state: State = "running"
        self._progress = time.monotonic()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *problem: object) -> None:
        is_error = kind is not None and issubclass(kind, Exception)
        self._state = "complete" if kind is None else "failed" if is_error else "interrupted"
        self._progress = time.monotonic()
        self._end.set()
        while self._thread.is_alive() and time.monotonic() - self._progress < PATIENCE:
            self._thread.join(0.05)
        if self._thread.is_alive():
            self._tell(f"no answer for {PATIENCE:.0f} s")

    def _run(self) -> None:
        try:
            self._record = read_record(TrackingRecord, self._path)
        except RecordError:  # there is none yet; a damaged one means new entries
            self._record = TrackingRecord()
        is_last = False
        while not is_last:
            is_last = self._end.wait(EVERY)
            self._attempt(self._mirror)
        if self._tracker:
            self._attempt(self._tracker.close)

    def _mirror(self) -> None:
        tracker = self._tracker = self._tracker or self._class(self._folder)
        ended = set(self._record.ended)
        for entry in self._read(self._record.key, self._state):
            if entry.key not in ended and entry != self._written.get(entry.key):
                self._attempt(partial(self._write, tracker, entry))
            self._progress = time.monotonic()
        if len(self._record.ended) > len(ended) or not self._path.exists():
            write_record(self._path, self._record)

    def _write(self, tracker: Tracker, entry: Entry) -> None:
        if entry.key not in self._points:
            self._points[entry.key] = tracker.begin(entry)
        has = self._points[entry.key]
        all_points = {(name, n): v for name, of in entry.series.items() for n, v in of.items()}
        tracker.update(entry, {point: v for point, v in all_points.items() if point not in has})
        has.update(all_points)
        self._written[entry.key] = entry
        if entry.parent and entry.state != "running":
            self._record.ended.append(entry.key)

    def _attempt(self, action: Callable[[], None]) -> None:
        try:
            action()
        except (Exception, SystemExit) as error:  # of whatever kind: it is a tracker's
            self._tell(describe_error(error))

    def _tell(self, problem: str) -> None:
        """Says once that the tracker fails; it is tried again nevertheless."""
        if self._problem is None:
            log.warning("tracking=%s: %s; nothing else is affected", self._name, problem)
        self._problem = problem
