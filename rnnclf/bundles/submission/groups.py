"""The groups of the hand-out's Table 3, as `conf/group/` has them."""

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from rnnclf.errors import SelectionError


@dataclass(frozen=True)
class Group:
    """A group and its assignment.

    Attributes:
        number: Which one.
        datasets: Its data sets.
        cell: Its recurrent unit.
    """

    number: int
    datasets: tuple[str, ...]
    cell: str


def read_group(number: int, project: Path) -> Group:
    """Reads what a group is assigned.

    Raises:
        SelectionError: If the folder is not that of the project, or there is no such group.
    """
    folder = project / "conf" / "group"
    if not (project / "run.py").is_file() or not folder.is_dir():
        raise SelectionError(f"{project} has no run.py and conf/; go to the project's folder")
    path = folder / f"{number}.yaml"
    if not path.is_file():
        numbers = sorted(int(p.stem) for p in folder.glob("*.yaml") if re.fullmatch(r"\d+", p.stem))
        raise SelectionError(f"no group {number}; there are {numbers[0]} to {numbers[-1]}")
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    (cell,) = (
        entry["override /cell"] for entry in content["defaults"] if "override /cell" in entry
    )
    return Group(number, tuple(content["search_space"]["dataset"].split(",")), cell)
