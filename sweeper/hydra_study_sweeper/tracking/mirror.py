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
from hydra_study_sweeper.tracking.entry import Entry, Tracker

log = logging.getLogger(__name__)
LIBRARIES = {
    "tensorboard": "tensorboardX",
    "mlflow": "mlflow",
    "wandb": "wandb",
    "trackio": "trackio",
}
EVERY = 2.0  # seconds between two looks at the records
PATIENCE = 20.0  # seconds without progress after which a command ends without its tracker
SILENT = 5.0  # seconds at the end, before the command says what it waits for
OPENING = 60.0  # while it is opened: a database may have to be made, by one command at a time

Reader = Callable[[str, State], Iterable[Entry]]
"""Reads the entries from the records: of a key and the state of the whole, which comes first."""


@dataclass
class TrackingRecord:
    """What a tracker has of a study or a run.

    Attributes:
        key: Begins the keys of all its entries.
        ended: The keys of those that are complete in the tracker.
        steps: For each of the others, the last step of each of its series.
    """

    key: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")] = field(
        default_factory=lambda: uuid.uuid4().hex
    )
    ended: list[str] = field(default_factory=list)
    steps: dict[str, dict[str, int]] = field(default_factory=dict)


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
        self._record: TrackingRecord | None = None
        self._written: dict[str, Entry] = {}
        self._begun: set[str] = set()
        self._problem: str | None = None
        self._state: State = "running"
        self._progress, self._patience = time.monotonic(), OPENING
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
        self._thread.join(min(SILENT, self._patience))
        if self._thread.is_alive():
            log.info("waiting for tracking=%s", self._name)
        while self._thread.is_alive() and time.monotonic() - self._progress < self._patience:
            self._thread.join(0.05)
        if self._thread.is_alive():
            self._tell(f"no answer for {self._patience:.0f} s")

    def _run(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._end.wait(EVERY)
            self._attempt(self._mirror)
        if self._tracker:
            self._attempt(self._tracker.close)

    def _mirror(self) -> None:
        record = self._record = self._record or self._read_record()
        tracker = self._tracker = self._tracker or self._class(self._folder)
        self._progress, self._patience = time.monotonic(), PATIENCE
        ended, is_new = set(record.ended), False
        for entry in self._read(record.key, self._state):
            if entry.key not in ended and entry != self._written.get(entry.key):
                self._attempt(partial(self._write, tracker, record, entry))
                is_new = True
            self._progress = time.monotonic()
        if is_new:
            write_record(self._path, record)

    def _read_record(self) -> TrackingRecord:
        try:
            return read_record(TrackingRecord, self._path)
        except RecordError:  # there is none yet; a damaged one means new entries
            return TrackingRecord()

    def _write(self, tracker: Tracker, record: TrackingRecord, entry: Entry) -> None:
        if entry.key not in self._begun:
            if not tracker.begin(entry):
                record.steps.pop(entry.key, None)
            self._begun.add(entry.key)
        has = record.steps.setdefault(entry.key, {})
        new = {
            (name, step): value
            for name, of in entry.series.items()
            for step, value in of.items()
            if step > has.get(name, -1)
        }
        tracker.update(entry, new)
        has.update({name: max(of) for name, of in entry.series.items()})
        self._written[entry.key] = entry
        if entry.parent and entry.state != "running":
            record.ended.append(entry.key)
            del record.steps[entry.key]

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
