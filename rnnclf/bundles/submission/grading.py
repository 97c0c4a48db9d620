"""Submissions graded by their models; the code in them is neither unpacked nor run."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hydra_study_sweeper.printable import one_line, told

from rnnclf.bundles.bundle import reported
from rnnclf.bundles.submission.archive import Group
from rnnclf.bundles.submission.claims import Claim, contradiction, read_claims
from rnnclf.bundles.submission.unpack import unpacked
from rnnclf.bundles.verify import verify
from rnnclf.configuration.composed import load as load_config
from rnnclf.data.download import fetch
from rnnclf.data.own import is_own
from rnnclf.data.sources import SOURCES, default_data_folder
from rnnclf.errors import ConfigError, DataError, UserError
from rnnclf.files.paths import BundlePaths

NAME = re.compile(r"GROUP_(\d{1,4})_PROJECT_PART2")
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


def group_in(name: str) -> int | None:
    """Returns the number of the group in the name of a zip file; None if it has none."""
    found = NAME.search(name)
    return int(found[1]) if found else None


def check_raw_files(datasets: set[str], data_folder: Path | None) -> None:
    """Has the raw files of data sets there, downloaded if they are missing.

    Raises:
        ConfigError: If they are not to be had.
    """
    for name in sorted(datasets & SOURCES.keys()):
        try:
            for raw_file in SOURCES[name].raw_files:
                fetch(raw_file, data_folder or default_data_folder())
        except DataError as error:
            raise ConfigError(
                f"{name} is graded with its raw files, in the folder that --data or RNNCLF_DATA "
                f"names: {error}"
            ) from error


def gradable(path: Path, groups: Mapping[int, Group]) -> set[str]:
    """Returns the data sets of a submission whose models can be computed again."""
    group, found = groups.get(group_in(path.name) or 0), set[str]()
    if group is not None:
        with suppress(*REFUSED), unpacked(path) as folder:
            for claim in read_claims(folder):
                with suppress(*REFUSED):
                    if claim.dataset in group.datasets and not _objection(folder, claim, group):
                        found.add(claim.dataset)
    return found


def grade_archive(path: Path, groups: Mapping[int, Group], data_folder: Path | None) -> list[Grade]:
    """Grades a submission: a `Grade` for each data set of its group.

    Args:
        path: The zip file, which may be anything.
        groups: The groups and what they were assigned, by number.
        data_folder: As for `verify`.
    """
    number = group_in(path.name)
    if number is None or number not in groups:
        no_number = "its name has no GROUP_N_PROJECT_PART2"
        why = no_number if number is None else f"no group {number}"
        return [Grade(number, None, None, None, why, path.name)]
    group = groups[number]
    try:
        with unpacked(path) as folder:
            return list(_grades(folder, group, data_folder, path.name))
    except REFUSED as error:
        return [Grade(number, None, None, None, _in_words(error, path.parent), path.name)]


def _grades(folder: Path, group: Group, data: Path | None, archive: str) -> Iterator[Grade]:
    claims = read_claims(folder)
    for name in group.datasets:
        found = [claim for claim in claims if claim.dataset == name]
        if len(found) != 1:
            why = "not in REPORT.md" if not found else "in REPORT.md more than once"
            yield Grade(group.number, name, None, None, why, archive)
            continue
        claimed, computed = float(found[0].accuracy), None
        try:
            computed, verdict = _test(folder, found[0], group, data)
        except REFUSED as error:
            verdict = _in_words(error, folder)
        yield Grade(group.number, name, claimed, computed, verdict, archive)


def _test(folder: Path, claim: Claim, group: Group, data: Path | None) -> tuple[float | None, str]:
    """Returns the accuracy of a model, and the verdict on it."""
    if objection := _objection(folder, claim, group):
        return None, objection
    model = folder / claim.model
    config = load_config(BundlePaths(model).config)
    if is_own(config.dataset) and data is None:  # a path that somebody else has chosen
        raise DataError("not one of the published data sets: set --data FOLDER")
    (test,) = (part for part in verify(model, data) if part.part == "test")
    return test.computed, test.verdict


def _objection(folder: Path, claim: Claim, group: Group) -> str | None:
    """Returns in words why a model need not be computed again."""
    model = folder / claim.model
    config = load_config(BundlePaths(model).config)
    if problem := contradiction(claim, config, reported(model)):
        return problem
    if config.model.cell != group.cell:
        return f"a {config.model.cell}, where the group has the {group.cell}"
    return None


def _in_words(error: Exception, folder: Path) -> str:
    """Returns in a line what is wrong, with paths as they are in a folder."""
    text = told(error) if isinstance(error, OSError) else str(error)
    return one_line(text.replace(f"{folder}/", ""))
