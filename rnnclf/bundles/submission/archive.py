"""The zip that a group hands in."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hydra_study_sweeper import StudyPaths
from hydra_study_sweeper.files import write_text

from rnnclf.bundles.pick import Pick, choose, write_picks
from rnnclf.bundles.submission import grade
from rnnclf.bundles.submission.groups import Group
from rnnclf.bundles.submission.page import Entry, report
from rnnclf.errors import SelectionError
from rnnclf.runs.find import read_run
from rnnclf.runs.results import Run

CODE = (
    *("run.py", "conf", "sweeps", "rnnclf", "sweeper", "docs"),
    *("pyproject.toml", "constraints.txt", "Makefile", "README.md", "LICENSE"),
)


class SubmissionPaths:
    """What is where in a submission.

    Args:
        folder: The one folder in the zip.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.report = folder / "REPORT.md"  # one page with both accuracies
        self.grading_script = folder / "grade.py"  # computes the accuracies anew
        self.models = folder / "models"  # the two bundles
        self.code = folder / "code"  # the project
        self.searches = folder / "search"  # the records of the studies that found the models


def write_submission(group: Group, picks: Sequence[Pick], project: Path, to: Path) -> Path:
    """Writes `GROUP_N_PROJECT_PART2.zip` with the group's models.

    Args:
        group: Whose.
        picks: The models, as `choose_for` returns them.
        project: The folder of `run.py`, from which the code is taken.
        to: Where the zip goes.

    Returns:
        The zip.

    Raises:
        ModelError: If a model is damaged.
    """
    entries = [Entry(pick, read_run(pick.run.model_folder)) for pick in picks]
    name = f"GROUP_{group.number}_PROJECT_PART2"
    with tempfile.TemporaryDirectory(dir=to, prefix=f".{name}-") as temporary:
        paths = SubmissionPaths(Path(temporary) / name)
        paths.folder.mkdir()
        write_picks([entry.pick for entry in entries], paths.models)
        for entry in entries:
            _copy_search(entry.pick, paths.searches / entry.pick.name)
        _copy_code(project, paths.code)
        shutil.copyfile(grade.__file__, paths.grading_script)
        write_text(paths.report, report(group, entries))
        packed = shutil.make_archive(str(paths.folder), "zip", temporary, name)
        return Path(packed).replace(to / f"{name}.zip")


def choose_for(group: Group, runs: Sequence[Run]) -> list[Pick]:
    """Chooses a group's best tested model of each of its data sets, by validation accuracy.

    Raises:
        SelectionError: If a data set has no finished, tested model of the group's cell.
    """
    assigned = [run for run in runs if run.task in group.datasets and run.cell == group.cell]
    missing = [name for name in group.datasets if name not in {run.task for run in assigned}]
    if missing:
        raise SelectionError(
            f"group {group.number} has no finished run of "
            + " and of ".join(f"{name} with {group.cell}" for name in missing)
            + f"; python run.py -m +group={group.number} makes what is missing"
        )
    picks = {pick.run.task: pick for pick in choose(assigned, tested=True)}
    return [picks[name] for name in group.datasets]


def _copy_search(pick: Pick, to: Path) -> None:
    if pick.run.study is None:
        return
    paths = StudyPaths(pick.run.study.folder)
    to.mkdir(parents=True)
    for path in (paths.best, paths.trials, paths.record):
        shutil.copyfile(path, to / path.name)


def _copy_code(project: Path, to: Path) -> None:
    to.mkdir()
    ignored = shutil.ignore_patterns(
        "__pycache__", "*.egg-info", "build", "dist", "_build", ".*_cache"
    )
    for name in CODE:
        source = project / name
        if source.is_dir():
            shutil.copytree(source, to / name, ignore=ignored)
        else:
            shutil.copyfile(source, to / name)
