"""The command that grades submissions."""

import os
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import click

from rnnclf.cli.models import DATA
from rnnclf.cli.options import output_format
from rnnclf.cli.output import echo
from rnnclf.errors import SelectionError
from rnnclf.files.command import packaged_conf


@click.command()
@click.argument("submissions", metavar="PATH", type=click.Path(exists=True, path_type=Path))
@DATA
@output_format("table", "md", "csv", "json")
def grade(submissions: Path, folder: Path | None, kind: str) -> None:
    """Grades a submission, or all of them in a folder of zip files.

    PATH is a GROUP_N_PROJECT_PART2.zip or a folder with several. Each has a row for each data set
    that the group was assigned: the test accuracy in the report, the test accuracy of the model,
    computed again, and the verdict. A submission that cannot be read has a row that says why.
    Submitted code is neither unpacked nor run. The exit code is 1 if a verdict is not "as
    reported".
    """
    from rnnclf.bundles.submission.archive import read_groups
    from rnnclf.bundles.submission.grading import check_raw_files, gradable, grade_archive
    from rnnclf.bundles.verify import AS_REPORTED
    from rnnclf.runs.tables import render
    from rnnclf.training.reproducibility import prepare_torch

    is_folder = submissions.is_dir()
    archives = sorted(_archives(submissions)) if is_folder else [submissions]
    if not archives:
        raise SelectionError(f"{submissions} has no zip file")
    groups = read_groups(packaged_conf())
    check_raw_files(set().union(*(gradable(path, groups) for path in archives)), folder)
    prepare_torch()
    around = submissions if is_folder else submissions.parent
    grades = [
        replace(one, archive=str(path.relative_to(around)))
        for path in archives
        for one in grade_archive(path, groups, folder)
    ]
    grades.sort(key=lambda one: (one.group is None, one.group or 0))
    echo(render({str(submissions): [asdict(one) for one in grades]}, kind, "folder"), nl=False)
    if any(one.verdict != AS_REPORTED for one in grades):
        raise SystemExit(1)


def _archives(folder: Path) -> Iterator[Path]:
    from rnnclf.bundles.submission.claims import REPORT

    def refuse(error: OSError) -> None:
        raise error  # otherwise the submissions in such a folder are missing without a word

    for place, _, names in os.walk(folder, onerror=refuse):
        yield from (Path(place, name) for name in names if name.lower().endswith(".zip"))
        if REPORT in names:  # some browsers unpack what they download
            yield Path(place)
