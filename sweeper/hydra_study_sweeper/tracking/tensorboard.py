"""TensorBoard: event files in the folder `tensorboard` of a study or a run."""

import logging
from pathlib import Path

from hydra_study_sweeper.tracking.entry import Entry, Point


class Tracker:
    """Writes a folder of event files for each entry; those of an earlier start are replaced."""

    def __init__(self, folder: Path) -> None:
        from tensorboardX import SummaryWriter, summary

        logging.getLogger("tensorboardX").setLevel(logging.WARNING)  # it tells each name it changes
        self._folder = folder / "tensorboard"
        self._writer, self._hparams = SummaryWriter, summary.hparams
        self._open: dict[str, SummaryWriter] = {}

    def begin(self, entry: Entry) -> bool:
        """Opens a writer; the journal has all points, so the files are written again."""
        place = self._folder / entry.name if entry.parent else self._folder
        for old in place.glob("events.out.tfevents.*"):
            old.unlink()
        self._open[entry.key] = self._writer(str(place))
        return False

    def update(self, entry: Entry, points: dict[Point, float]) -> None:
        """Writes points, and at the end results, notes and hyperparameters with the state."""
        writer = self._open[entry.key]
        for (name, step), value in points.items():
            writer.add_scalar(name, value, step)
        if entry.state != "running":
            for name, value in entry.values.items():
                writer.add_scalar(f"result/{name}", value, 0)
            chosen = {k: str(v) if v is None else v for k, v in entry.params.items()}
            results = {f"result/{name}": value for name, value in entry.values.items()}
            for part in self._hparams({"state": entry.state, **chosen}, results):
                writer.file_writer.add_summary(part)
            for name, note in entry.notes.items():
                writer.add_text(name, note)
            for file in entry.files:
                if file.suffix in (".md", ".json", ".yaml"):
                    writer.add_text(file.name, file.read_text(encoding="utf-8"))
            if entry.parent:
                self._open.pop(entry.key).close()
                return
        writer.flush()

    def close(self) -> None:
        """Closes the files."""
        for writer in self._open.values():
            writer.close()
