"""Weights & Biases: runs of one group; WANDB_PROJECT and WANDB_MODE=offline are its settings."""

from pathlib import Path
from typing import Any

from hydra_study_sweeper.tracking.entry import Entry, Point


class Tracker:
    """Writes a run for each entry; those of a study are its group."""

    def __init__(self, folder: Path) -> None:
        import wandb

        self._wandb = wandb
        # Otherwise it asks on the terminal for a login, from this thread, and warns of each file.
        wandb.setup(settings=wandb.Settings(silent=True))
        self._open: dict[str, Any] = {}

    def begin(self, entry: Entry) -> bool:
        """Begins a run, or continues the one with the key of the entry."""
        self._open[entry.key] = self._wandb.init(
            id=entry.key,
            name=entry.name,
            group=entry.parent or entry.key,
            job_type="trial" if entry.parent else None,
            config=entry.params,
            resume="allow",
            reinit="create_new",
            settings=self._wandb.Settings(console="off", init_timeout=15),
        )
        return True

    def update(self, entry: Entry, points: dict[Point, float]) -> None:
        """Writes points, and at the end results, notes, files and the state."""
        run = self._open[entry.key]
        run.config.update(entry.params, allow_val_change=True)
        for step in sorted({step for _, step in points}):
            run.log({name: v for (name, n), v in points.items() if n == step}, step=step)
        if entry.state != "running":
            run.tags = (entry.state,)
            run.summary.update({"state": entry.state, **entry.notes, **entry.values})
            for file in entry.files:
                run.save(str(file), base_path=str(file.parent), policy="now")
            if entry.parent:
                is_failure = entry.state in ("failed", "interrupted")
                self._open.pop(entry.key).finish(exit_code=int(is_failure))

    def close(self) -> None:
        """Ends the runs that are still open."""
        for run in self._open.values():
            run.finish()
