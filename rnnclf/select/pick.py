"""The best run of each data set and cell, as a bundle."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rnnclf.bundle import write_bundle
from rnnclf.errors import SelectionError
from rnnclf.paths import ModelPaths
from rnnclf.select.leaderboard import quality
from rnnclf.select.runs import Run


@dataclass(frozen=True)
class Pick:
    """What was chosen for a task and a cell.

    Attributes:
        run: The best run by validation accuracy whose weights are still there.
        better: Better runs whose weights are not there.
    """

    run: Run
    better: tuple[Run, ...]

    @property
    def name(self) -> str:
        """The name of the bundle, for example `questions-gru`."""
        return f"{self.run.task}-{self.run.cell}"


def choose(runs: Iterable[Run]) -> list[Pick]:
    """Chooses the best run of each task and cell, by validation accuracy.

    Raises:
        SelectionError: If no run of a task and cell has its weights.
    """
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in sorted(runs, key=lambda run: (run.task, run.cell, *quality(run))):
        groups.setdefault((run.task, run.cell), []).append(run)
    return [_first_with_weights(group) for group in groups.values()]


def _first_with_weights(runs: list[Run]) -> Pick:
    for position, run in enumerate(runs):
        if ModelPaths(run.model_folder).weights.is_file():
            return Pick(run, tuple(runs[:position]))
    raise SelectionError(
        f"{runs[0].task} with {runs[0].cell}: none of {len(runs)} runs has its model.safetensors "
        "any more; train the best one again, or leave them out with --filter"
    )


def write_picks(picks: Iterable[Pick], folder: Path) -> list[Path]:
    """Writes a bundle for each choice below a folder and returns where.

    Raises:
        ModelError: If a model is damaged, or a folder of that name is no bundle.
    """
    written = []
    for pick in picks:
        bundle = folder / pick.name
        run = pick.run
        name = run.study.summary["name"] if run.study else None
        write_bundle(run.model_folder, bundle, refit=run.refit, study=name)
        written.append(bundle)
    return written
