"""Commands that take folders of runs and studies."""

import shlex
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import click
from hydra_study_sweeper.files import check_place
from hydra_study_sweeper.printable import one_line

from rnnclf.cli.options import CONDITION, FOLDER, FOLDERS, PRESENT_FOLDER, output_format
from rnnclf.cli.output import echo
from rnnclf.errors import SelectionError
from rnnclf.files.result import METRICS
from rnnclf.files.words import first_of
from rnnclf.runs.baselines import Baseline
from rnnclf.runs.find import Found, find_runs, read_run
from rnnclf.runs.query import Names, parse_condition
from rnnclf.runs.rank import (
    Ranked,
    Row,
    difference,
    group,
    rank,
    rows,
    sort,
    why_incomparable,
    with_significance,
)
from rnnclf.runs.results import Run

NAMED = 12  # folders left out for the same reason that are named
LISTED = {"table": 20, "md": 20}  # rows a table


@click.command()
@FOLDERS
@CONDITION
@click.option(
    "--sort", "order", metavar="[-]KEY", help="Sort by a key; with -, from the largest down."
)
@click.option("--group-by", "grouping", metavar="KEY[,KEY]", help="One row for each value.")
@click.option(
    "--top",
    type=click.IntRange(min=1),
    metavar="N",
    help="Rows of a table.  [default: 20; all with csv and json]",
)
@output_format("table", "md", "csv", "json")
@click.option("--wide", is_flag=True, help="All columns, even if the terminal is narrower.")
@click.option(
    "--diff", nargs=2, type=FOLDER, metavar="RUN RUN", help="The differences between two runs."
)
def compare(
    folders: tuple[Path, ...],
    condition: str | None,
    order: str | None,
    grouping: str | None,
    top: int | None,
    kind: str,
    wide: bool,
    diff: tuple[Path, Path] | None,
) -> None:
    """Ranks runs and trials by their accuracy on validation texts.

    It reads the runs below DIR (outputs) and ranks by training.metric if they have another one.
    Each data set has a table, with the keys in which its runs differ. refit_val and refit_test are
    the mean ± standard deviation (number) over the seeds with which a study trained a trial again:
    its winner, or its rival. No other trial of the study ranks above it. Test accuracies of
    single runs are not shown, because nobody should choose by them. Rows
    without a rank come from rnnclf baseline. p_val and p_test (with table and md) are the
    probabilities that chance alone produces so large a difference from the best run; ≈ marks 5 % or
    more.

    A KEY is a key of the configuration, or its end (lr), or cell, dataset, study, val_accuracy,
    val_macro_f1, val_loss, best_epoch, parameters, vocabulary_size, seconds, started, folder.
    """
    from rnnclf.runs.tables import WIDEST, render

    if diff:
        if condition or order or grouping or top or wide:
            raise click.UsageError("--diff goes with --format only")
        differing = difference(*(read_run(folder) for folder in diff))
        if not differing and kind in LISTED:
            echo("no difference")
        else:
            echo(render({"differences": differing}, kind), nl=False)
        return
    found = _find(folders, condition)
    names, tables = Names.of(found.runs), {}
    for task, ranked in rank(found.runs).items():
        top_rows = top or LISTED.get(kind)
        tables[task], more = _rows(ranked, names, order, grouping, top_rows, found.baselines)
        if kind in LISTED and not grouping:
            tables[task] = with_significance(tables[task], ranked)
        if more and not top:
            echo(f"{task}: {more} more; --top N lists more", err=True)
        for one in ranked:
            if one.run.refit and one.run.refit.has_rival:
                echo(
                    f"{task}: no trial ranks above {one.run.folder}, which its study kept", err=True
                )
    width = WIDEST if wide or not sys.stdout.isatty() else shutil.get_terminal_size().columns
    echo(render(tables, kind, width=width), nl=False)


@click.command()
@FOLDERS
@click.option("--to", type=FOLDER, default="models", show_default=True, help="Where bundles go.")
@CONDITION
def pick(folders: tuple[Path, ...], to: Path, condition: str | None) -> None:
    """Writes the best models as bundles.

    It takes the best run below DIR (outputs) of each data set and cell, by the training.metric
    on validation texts; of a study with a refit, that is its final model. A bundle has
    everything that `rnnclf predict` and `rnnclf.load` need; it works without the data.
    """
    from rnnclf.bundles.pick import choose, write_picks

    check_place(to / "bundle")
    runs = _find(folders, condition).runs
    picks = choose(runs)
    _show_better([one for chosen in picks for one in chosen.better])
    picked = {chosen.run.folder for chosen in picks}
    unmeasured = [r for r in runs if r.val_accuracy is None and r.folder not in picked]
    _show_better([(run, "nothing to compare it by") for run in unmeasured])
    for chosen, bundle in zip(picks, write_picks(picks, to), strict=True):
        echo(f"{bundle}: {_described(chosen.run)}")
    echo(f'next: rnnclf predict {shlex.quote(str(bundle))} "TEXT"', err=True)


@click.command()
@click.option(
    "--group", "number", type=int, required=True, help="A group of the hand-out's Table 3."
)
@click.option(
    "--from",
    "folders",
    type=FOLDER,
    multiple=True,
    default=["outputs"],
    help="Where the runs are.  [default: outputs]",
)
@click.option(
    "--to", type=PRESENT_FOLDER, default=".", show_default=True, help="Where the zip goes."
)
@CONDITION
def submission(number: int, folders: tuple[Path, ...], to: Path, condition: str | None) -> None:
    """Writes the zip file that a group hands in.

    GROUP_N_PROJECT_PART2.zip has the best tested models of the group's two data sets and cell, a
    report with their accuracies, and the code. Run it in a clone.
    """
    from rnnclf.bundles.submission.archive import choose_for, read_group, write_submission

    check_place(to / "submission")
    group = read_group(number, Path("conf"))
    picks = choose_for(group, _find(folders, condition).runs)
    _show_better([one for chosen in picks for one in chosen.better])
    archive = write_submission(group, picks, Path(), to)
    echo(archive)
    echo(f"next: rnnclf grade {shlex.quote(str(archive))}", err=True)


def _show_better(passed_over: Iterable[tuple[Run, str]]) -> None:
    for run, reason in passed_over:
        echo(f"passed over, {reason}: {_described(run)}", err=True)


def _described(run: Run) -> str:
    value = run.validation(run.metric)
    shown = "none" if value is None else f"{value:.4f}"
    runs = f" (mean of {len(run.parts)} runs)" if run.parts else ""
    return f"validation {METRICS[run.metric]} {shown}{runs}, {run.folder}"


def _rows(
    ranked: Sequence[Ranked],
    names: Names,
    order: str | None,
    grouping: str | None,
    top: int | None,
    baselines: Mapping[Path, Baseline],
) -> tuple[list[Row], int]:
    """Returns the rows to list and the number of further ones."""
    if order is not None and grouping is not None:
        raise SelectionError("--sort and --group-by exclude each other; groups begin with the best")
    if grouping is not None:
        by = {name: names.value(name) for name in map(str.strip, grouping.split(","))}
        groups = group(ranked, by)
        return groups[:top], len(groups[top:] if top else ())
    if order is not None:
        value = names.value(order.removeprefix("-"))
        ranked = sort(ranked, value, descending=order.startswith("-"))
    listed = ranked[:top]
    return rows(listed, names, {} if order else baselines), len(ranked) - len(listed)


def _find(folders: Sequence[Path], condition: str | None) -> Found:
    """Finds the runs that fulfil a condition; warns of folders left out and of different splits."""
    found = find_runs(folders)
    _show_left_out(found.left_out)
    runs = found.require_runs(folders)
    if condition is not None:
        fulfils = parse_condition(condition, Names.of(runs))
        runs = [run for run in runs if fulfils(run)]
    if not runs:
        raise SelectionError(f"none of {len(found.runs)} runs fulfils {condition!r}")
    for task, ranked in rank(runs).items():
        if reason := why_incomparable(ranked):
            echo(f"warning: {task}: {reason}", err=True)
    return replace(found, runs=runs)


def _show_left_out(folders: Iterable[tuple[Path, str]]) -> None:
    reasons: defaultdict[tuple[str, Path], list[str]] = defaultdict(list)
    for folder, reason in folders:
        reasons[reason, folder.parent].append(folder.name)
    for (reason, parent), names in reasons.items():
        shown = one_line(first_of(names, NAMED))
        echo(f"left out: {len(names)} in {parent} ({reason}): {shown}", err=True)
