"""The zip that a group hands in: models, search records, code, report."""

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from hydra_study_sweeper import StudyPaths
from hydra_study_sweeper.files import LARGEST_RECORD, beside, read_bounded, write_text

from rnnclf.bundles.pick import Pick, choose, write_picks
from rnnclf.bundles.submission.claims import REPORT, SPLIT_OF_HANDOUT
from rnnclf.bundles.submission.page import report
from rnnclf.errors import SelectionError
from rnnclf.files.command import as_typed_here
from rnnclf.runs.results import Run

FOLDERS = ("conf", "sweeps", "rnnclf", "sweeper", "docs")
FILES = ("run.py", "pyproject.toml", "constraints.txt", "Makefile", "README.md", "LICENSE")
NOT_CODE = ("__pycache__", "*.egg-info", "build", "dist", "_build", ".*_cache")


@dataclass(frozen=True)
class Group:
    """A group of the hand-out's Table 3 with its data sets and its recurrent cell."""

    number: int
    datasets: tuple[str, ...]
    cell: str


def read_group(number: int, conf: Path) -> Group:
    """Reads the assignment of a group from `conf/group/`.

    Raises:
        SelectionError: If the folder has no groups, or not this one, or one that is wrong.
    """
    groups = read_groups(conf)
    if not groups:
        raise SelectionError(f"{conf} has no group/; go to a clone of rnnclf")
    if number not in groups:
        raise SelectionError(f"no group {number}; there are {min(groups)} to {max(groups)}")
    return groups[number]


def read_groups(conf: Path) -> dict[int, Group]:
    """Reads the assignments of all groups in a `conf/`, by number and sorted."""
    files = {int(p.stem): p for p in conf.glob("group/*.yaml") if re.fullmatch(r"\d+", p.stem)}
    return {number: _group(number, files[number]) for number in sorted(files)}


def _group(number: int, path: Path) -> Group:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        (cell,) = (
            entry["override /cell"] for entry in content["defaults"] if "override /cell" in entry
        )
        datasets = content["search_space"]["dataset"]
        names = datasets.removeprefix("choice(").removesuffix(")").split(",")
    except (AttributeError, KeyError, TypeError, ValueError, yaml.YAMLError):
        raise SelectionError(
            f"{path}: a group needs `override /cell: CELL` in its defaults, and `dataset` in its "
            "search_space"
        ) from None
    return Group(number, tuple(name.strip() for name in names), cell)


def choose_for(group: Group, runs: Sequence[Run]) -> list[Pick]:
    """Chooses a group's best tested model of each of its data sets, by validation accuracy.

    Raises:
        SelectionError: If a data set has no finished, tested model of the group's cell, or none in
            the split of the hand-out.
    """
    of_group = [run for run in runs if run.task in group.datasets and run.cell == group.cell]
    assigned = [run for run in of_group if _has_split_of_handout(run)]
    missing = [name for name in group.datasets if name not in {run.task for run in assigned}]
    if missing:
        raise SelectionError(
            f"group {group.number} has no finished run of "
            + " and of ".join(f"{name} with {group.cell}" for name in missing)
            + (" in the split of the hand-out" if len(of_group) > len(assigned) else "")
            + as_typed_here(f"; python run.py -m +group={group.number} trains what is missing")
        )
    picks = {pick.run.task: pick for pick in choose(assigned, tested=True)}
    return [picks[name] for name in group.datasets]


def _has_split_of_handout(run: Run) -> bool:
    return {key: run.value(f"dataset.{key}") for key in SPLIT_OF_HANDOUT} == SPLIT_OF_HANDOUT


def write_submission(group: Group, picks: Sequence[Pick], project: Path, to: Path) -> Path:
    """Writes `GROUP_N_PROJECT_PART2.zip` into a folder and returns it.

    Args:
        group: The group.
        picks: Its models, as `choose_for` returns them.
        project: The clone from which the code is taken.
        to: The folder of the zip.

    Raises:
        SelectionError: If the folder is no clone, which has the code.
    """
    if lacking := [name for name in (*FOLDERS, *FILES) if not (project / name).exists()]:
        raise SelectionError(f"{project} is no clone of rnnclf: it has no {lacking[0]}; go to one")
    name = f"GROUP_{group.number}_PROJECT_PART2"
    with beside(to / name) as temporary:
        folder = Path(temporary) / name
        folder.mkdir()
        write_picks(picks, folder / "models")
        for pick in picks:
            _copy_search(pick, folder / "search" / pick.name)
        _copy_code(project, folder / "code")
        title = f"Group {group.number}: {' and '.join(group.datasets)} with {group.cell.upper()}"
        write_text(folder / REPORT, report(title, picks))
        packed = shutil.make_archive(str(folder), "zip", temporary, name)
        return Path(packed).replace(to / f"{name}.zip")


def _copy_search(pick: Pick, to: Path) -> None:
    if pick.run.study is None:
        return
    paths = StudyPaths(pick.run.study.folder)
    to.mkdir(parents=True)
    for path in (paths.best, paths.trials, paths.record):
        (to / path.name).write_bytes(read_bounded(path, LARGEST_RECORD))


def _copy_code(project: Path, to: Path) -> None:
    to.mkdir()
    for name in FOLDERS:
        shutil.copytree(project / name, to / name, ignore=shutil.ignore_patterns(*NOT_CODE))
    for name in FILES:
        shutil.copyfile(project / name, to / name)
