"""The entry of a run in a tracker, read from the run's own files as they grow."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path

from hydra_study_sweeper.files import read_record
from hydra_study_sweeper.records import State
from hydra_study_sweeper.tracking.entry import Entry
from hydra_study_sweeper.tracking.mirror import Mirror

from rnnclf.configuration.schema import Config
from rnnclf.files.epochs import read_epochs
from rnnclf.files.paths import RunPaths
from rnnclf.files.result import RunResult, flat

RESULTS = ("val_accuracy", "val_macro_f1", "test_accuracy", "test_macro_f1")


WriteCard = Callable[[Config, Path], None]
"""Writes the model card of a finished run into its folder."""


@contextmanager
def tracked(
    tracker: str | None, config: Config, paths: RunPaths, card: WriteCard | None
) -> Iterator[None]:
    """Mirrors a run into a tracker while the block runs, if there is one, with its card at the end.

    Raises:
        hydra_study_sweeper.errors.ConfigError: If there is no such tracker, or no library for it.
    """
    entries = partial(_entries, config, paths)
    with Mirror(tracker, paths.folder, entries) if tracker else nullcontext():
        yield
        if card:
            card(config, paths.folder)


def _entries(config: Config, paths: RunPaths, key: str, state: State) -> Iterator[Entry]:
    series: dict[str, dict[int, float]] = {}
    if paths.metrics.exists():
        for metrics in read_epochs(paths.metrics):
            for name, value in asdict(metrics).items():
                if name != "epoch" and value is not None:
                    series.setdefault(name, {})[metrics.epoch] = value
    values: dict[str, float] = {}
    files: tuple[Path, ...] = ()
    if paths.result.exists():  # it is written last
        result = read_record(RunResult, paths.result)
        results = {name: getattr(result, name) for name in RESULTS}
        values = {name: value for name, value in results.items() if value is not None}
        files, state = (paths.config, paths.result, paths.card), "complete"
        files = tuple(path for path in files if path.exists())
    name = "/".join(paths.folder.absolute().parts[-2:])
    params, notes = flat(asdict(config)), {"folder": str(paths.folder)}
    yield Entry(key, name, None, state, params, series, values, notes, files)
