"""The best run of each data set and cell, as a bundle."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hydra_study_sweeper.paths import shown
from hydra_study_sweeper.printable import one_line

from rnnclf.bundles.bundle import write_bundle
from rnnclf.errors import ModelError, SelectionError
from rnnclf.files.command import as_typed_here
from rnnclf.files.paths import ModelPaths
from rnnclf.model.store import load
from rnnclf.runs.find import read_run
from rnnclf.runs.rank import rank
from rnnclf.runs.results import Run


@dataclass(frozen=True)
class Pick:
    """The choice for a task and a cell.

    Attributes:
        task: The name of the task.
        run: The best run on validation texts that can be used.
        better: Better runs, with the reason why they cannot.
    """

    task: str
    run: Run
    better: list[tuple[Run, str]]

    @property
    def name(self) -> str:
        """The name of the bundle, for example `questions-gru`."""
        return f"{self.task}-{self.run.cell}"


def choose(runs: Iterable[Run], *, tested: bool = False) -> list[Pick]:
    """Chooses the best run of each task and cell, on validation texts; `tested`, a tested one.

    Raises:
        SelectionError: If no run of a task and cell can be used.
    """
    groups: dict[tuple[str, str], list[Run]] = {}
    for task, ranked in rank(runs).items():
        for one in ranked:
            groups.setdefault((task, one.run.cell), []).append(one.run)
    return [
        _first_usable(task, group, tested=tested) for (task, _), group in sorted(groups.items())
    ]


def _first_usable(task: str, runs: list[Run], *, tested: bool) -> Pick:
    better: list[tuple[Run, str]] = []
    for run in runs:
        reason = _why_not(run, tested=tested)
        if reason is None:
            return Pick(task, run, better)
        better.append((run, reason))
    best, reason = better[0]
    raise SelectionError(
        f"{task} with {best.cell}: no run can be used "
        f"(the best of {len(runs)}, {best.folder}: {reason}); train it again alone: "
        + as_typed_here(f"python run.py from={shlex.quote(str(shown(best.folder)))}")
    )


def _why_not(run: Run, *, tested: bool) -> str | None:
    """Returns why the model of a run cannot be used."""
    if not ModelPaths(run.model_folder).weights.exists():
        return "its weights were deleted"
    try:
        load(run.model_folder)
        if tested and read_run(run.model_folder).result.test_accuracy is None:
            return "it was never tested"
    except (ModelError, SelectionError) as error:
        return one_line(str(error))
    return None


def write_picks(picks: Iterable[Pick], folder: Path) -> list[Path]:
    """Writes a bundle for each choice below a folder and returns the bundles."""
    written = []
    for pick in picks:
        study = pick.run.study.record.name if pick.run.study else None
        write_bundle(pick.run.model_folder, folder / pick.name, refit=pick.run.refit, study=study)
        written.append(folder / pick.name)
    return written
