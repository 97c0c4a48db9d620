"""The command that predicts the classes of texts."""

import itertools
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from hydra_study_sweeper.printable import counted

from rnnclf.cli.options import (
    COLUMNS,
    ENCODING,
    FILE,
    FOLDER,
    errors_name_options,
    output_format,
)
from rnnclf.cli.output import echo, echo_csv
from rnnclf.errors import DataError, ModelError
from rnnclf.files.answers import Answer, check_output, write_answers

if TYPE_CHECKING:
    from rnnclf.data.tables.table import Table

BATCH = 1024  # texts between two answers
NONE = "(none)"  # on screen, in place of a class

Classes = list[Answer]
"""The most probable classes of a text."""


class _OfTexts(click.Command):
    """A command whose arguments may be texts that begin with a dash."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.possibilities:
                raise
            hint = "A text that begins with - comes after --: rnnclf predict MODEL -- TEXT"
            raise click.UsageError(f"{error.format_message()} {hint}", ctx) from error


@click.command(cls=_OfTexts)
@click.argument("model", type=FOLDER)
@click.argument("texts", nargs=-1)
@click.option("--file", type=FILE, help="Read texts from a file; docs/own-data.md has the formats.")
@COLUMNS
@ENCODING
@click.option(
    "-o",
    "--output",
    type=FILE,
    help="With --file: write its columns, label and probability: .csv, .tsv, .jsonl, .parquet.",
)
@click.option("--top", default=1, type=click.IntRange(min=1), help="Classes to list for a text.")
@click.option(
    "--threshold",
    default=0.0,
    type=click.FloatRange(0, 1),
    metavar="P",
    help="Give no class to texts whose most probable class has less than P (0 to 1).",
)
@output_format("text", "json", "csv")
def predict(
    model: Path,
    texts: tuple[str, ...],
    file: Path | None,
    columns: tuple[str, ...],
    encoding: str | None,
    output: Path | None,
    top: int,
    threshold: float,
    kind: str,
) -> None:
    """Predicts the classes of texts.

    TEXTS are arguments or lines of standard input. MODEL is a bundle or the folder of a run. A line
    of output has probability, class and text; with --format json it is an object, with csv a record
    for each class listed. With --threshold, the last line says how many validation texts would be
    answered, and how accurately.
    """
    if texts and file:
        raise click.UsageError("texts as arguments or --file, not both")
    if not file and (output or columns or encoding):
        raise click.UsageError(
            "-o, --column and --encoding are for --file; a text that begins with - comes after --"
        )
    if output:
        if top > 1 or kind != "text":
            raise click.UsageError("-o writes one class, in the format that its suffix names")
        check_output(output, file)
    if file:
        table = _table_of(file, columns, encoding, keep=output is not None)
        answers = _answers(model, table.texts, BATCH, top, threshold)
        if output:
            _write_file(output, table, answers)
        else:
            _write(kind, answers)
    else:
        is_typed = not texts and sys.stdin.isatty()
        if is_typed:
            echo("type texts, one a line; Ctrl-D ends", err=True)
        size = 1 if is_typed else BATCH
        asked = map(_printable, texts) if texts else _lines()
        _write(kind, _answers(model, asked, size, top, threshold))
    if threshold:
        _tell_threshold(model, threshold)


def _table_of(file: Path, columns: Sequence[str], encoding: str | None, *, keep: bool) -> "Table":
    """Reads a file of which every row gets an answer, or none."""
    from rnnclf.data.tables.table import Reading, read_table

    reading = Reading(text=columns, encoding=encoding, labelled=False, keep=keep)
    with errors_name_options():
        table = read_table(file, reading)
    if table.bad:
        count = f"{len(table.bad)} of the rows cannot be answered"
        raise DataError(f"{file}: {count}: {table.named(table.bad)}")
    return table


def _write_file(output: Path, table: "Table", answers: Iterable[tuple[str, Classes]]) -> None:
    from rich.console import Console
    from rich.progress import track

    shown = track(
        answers,
        "predicting",
        total=len(table.texts),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    best = (classes[0] for _, classes in shown)
    write_answers(output, table.columns.names, table.rows, best)
    echo(output)


def _printable(argument: str) -> str:
    return argument.encode("utf-8", errors="replace").decode("utf-8")


def _lines() -> Iterator[str]:
    sys.stdin.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    for line in sys.stdin:
        yield line.rstrip("\r\n")


def _answers(
    model: Path, texts: Iterable[str], size: int, top: int, threshold: float
) -> Iterator[tuple[str, Classes]]:
    from rnnclf.model.store import load
    from rnnclf.training.reproducibility import prepare_torch

    prepare_torch()
    classifier = load(model)
    waiting = iter(texts)
    while batch := list(itertools.islice(waiting, size)):
        for text, row in zip(batch, classifier.predict_proba(batch), strict=True):
            best = (-row).argsort(kind="stable")[:top]
            classes: Classes = [(classifier.classes[index], float(row[index])) for index in best]
            yield text, classes if row[best[0]] >= threshold else [(None, float(row[best[0]]))]


def _tell_threshold(model: Path, threshold: float) -> None:
    """Says what the threshold, or the next lower one that was measured, bought on validation."""
    from rnnclf.bundles.bundle import reported

    try:
        record = reported(model)
    except ModelError:  # there are models without a record
        return
    below = [one for one in record.thresholds or () if one.probability <= threshold]
    if not below:
        return
    one = below[-1]
    right = "" if one.accuracy is None else f", {100 * one.accuracy:.1f} % of them correctly"
    echo(
        f"with the threshold {one.probability:g}, {100 * one.coverage:.1f} % of the "
        f"{counted(record.texts.validation, 'validation text')} were answered{right}",
        err=True,
    )


def _write(kind: str, answers: Iterable[tuple[str, Classes]]) -> None:
    sys.stdout.reconfigure(encoding="utf-8", line_buffering=True)  # type: ignore[union-attr]
    WRITERS[kind](answers)


def _write_text(answers: Iterable[tuple[str, Classes]]) -> None:
    for text, classes in answers:
        shown = "  ".join(f"{probability:.3f} {name or NONE}" for name, probability in classes)
        echo(f"{shown}\t{' '.join(text.splitlines())}")


def _write_json(answers: Iterable[tuple[str, Classes]]) -> None:
    for text, classes in answers:
        listed = [{"label": name, "probability": share} for name, share in classes]
        echo(json.dumps({"text": text, "classes": listed}, ensure_ascii=False))


def _write_csv(answers: Iterable[tuple[str, Classes]]) -> None:
    echo_csv([["sentence", "rank", "label", "probability"]])
    for text, classes in answers:
        echo_csv(
            [text, rank, name or "", round(probability, 6)]
            for rank, (name, probability) in enumerate(classes, start=1)
        )


WRITERS = {"text": _write_text, "json": _write_json, "csv": _write_csv}
