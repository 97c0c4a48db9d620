"""Submissions graded by their models; the code in them is neither unpacked nor run."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rnnclf.bundles.submission import grade
from rnnclf.bundles.submission.archive import Group
from rnnclf.bundles.submission.unpack import unpacked
from rnnclf.bundles.verify import verify
from rnnclf.configuration.composed import load as load_config
from rnnclf.data.own import is_own
from rnnclf.errors import DataError, UserError
from rnnclf.files.paths import BundlePaths

NAME = re.compile(r"GROUP_(\d{1,4})_PROJECT_PART2")
AS_REPORTED = "as reported"
REFUSED = (UserError, OSError, RuntimeError)  # the last is torch's, of weights of another network


@dataclass(frozen=True)
class Grade:
    """What became of one data set of one submission.

    Attributes:
        group: The number of the group; None if the name of the file has none.
        dataset: The data set; None if the submission could not be read.
        reported: The test accuracy in the report.
        computed: The test accuracy of the model, computed again.
        verdict: `as reported`, or what is wrong.
        archive: The name of the zip file.
    """

    group: int | None
    dataset: str | None
    reported: float | None
    computed: float | None
    verdict: str
    archive: str


def grade_archive(path: Path, groups: Sequence[Group], data_folder: Path | None) -> list[Grade]:
    """Grades a submission: a `Grade` for each data set of its group.

    Args:
        path: The zip file, which may be anything.
        groups: The groups and what they were assigned.
        data_folder: As for `verify`.
    """
    found = NAME.search(path.name)
    number = int(found[1]) if found else None
    group = next((one for one in groups if one.number == number), None)
    if group is None:
        why = f"no group {number}" if found else "its name has no GROUP_N_PROJECT_PART2"
        return [Grade(number, None, None, None, why, path.name)]
    try:
        with unpacked(path) as folder:
            return list(_grades(folder, group, data_folder, path.name))
    except REFUSED as error:
        return [Grade(group.number, None, None, None, _in_words(error), path.name)]


def _grades(folder: Path, group: Group, data: Path | None, archive: str) -> Iterator[Grade]:
    rows = grade.reported(folder)
    for name in group.datasets:
        models = [model for model, row in rows.items() if row[0] == name]
        if len(models) != 1:
            said = "not in REPORT.md" if not models else "in REPORT.md more than once"
            yield Grade(group.number, name, None, None, said, archive)
            continue
        claimed, computed = float(rows[models[0]][1]), None
        try:
            computed, verdict = _test(folder, models[0], rows[models[0]], group, data)
        except REFUSED as error:
            verdict = _in_words(error).replace(f"{folder}/", "")
        yield Grade(group.number, name, claimed, computed, verdict, archive)


def _test(
    folder: Path, model: str, row: tuple[str, str, str], group: Group, data: Path | None
) -> tuple[float | None, str]:
    """Returns the accuracy of a model, and the verdict on it."""
    if problem := grade.contradiction(folder, model, row):
        return None, problem
    config = load_config(BundlePaths(folder / model).config)
    if config.model.cell != group.cell:
        return None, f"a {config.model.cell}, where the group has the {group.cell}"
    if is_own(config.dataset) and data is None:  # a path that somebody else has chosen
        raise DataError("not one of the published data sets: set --data FOLDER")
    for part in verify(folder / model, data):
        if part.part == "test":
            return part.computed, AS_REPORTED if part.agrees else "NOT AS REPORTED"
    return None, "its model was never tested"


def _in_words(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)
