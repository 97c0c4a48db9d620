"""Commands that take a trained model."""

import itertools
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from rnnclf.cli.options import FILE, FOLDER, PRESENT_FOLDER, output_format
from rnnclf.cli.output import echo, echo_csv
from rnnclf.errors import DataError, ModelError

TEXTS = "Folder of the raw files, or of train.csv and test.csv.  [default: $RNNCLF_DATA, or data]"
DATA = click.option("--data", "folder", type=PRESENT_FOLDER, help=TEXTS)
BATCH = 1024  # texts between two answers

Answer = tuple[str, list[tuple[str, float]]]  # a text, its most probable classes


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
@click.option(
    "--csv", "file", type=FILE, help="Read texts from a CSV file; its column of texts is found."
)
@click.option("--top", default=1, type=click.IntRange(min=1), help="Classes to list for a text.")
@output_format("text", "json", "csv")
def predict(model: Path, texts: tuple[str, ...], file: Path | None, top: int, kind: str) -> None:
    """Predicts the classes of texts.

    TEXTS are arguments or lines of standard input. MODEL is a bundle or the folder of a run. A line
    of output has probability, class and text; with --format json it is an object, with csv a record
    for each class listed.
    """
    if texts and file:
        raise click.UsageError("texts as arguments or --csv, not both")
    asked: Iterable[str]
    if texts or file:
        asked, size = _texts_of(file) if file else map(_printable, texts), BATCH
    else:
        asked, size = _lines(), 1 if sys.stdin.isatty() else BATCH
    sys.stdout.reconfigure(encoding="utf-8", line_buffering=True)  # type: ignore[union-attr]
    WRITERS[kind](_answers(model, asked, size, top))


def _texts_of(file: Path) -> list[str]:
    from rnnclf.data.tables import Reading, read_table

    table = read_table(file, Reading(labelled=False))
    if table.bad:  # every row gets an answer, or none
        raise DataError(f"{file}: {table.unit} {table.bad[0]}")
    return table.texts


def _printable(argument: str) -> str:
    return argument.encode("utf-8", errors="replace").decode("utf-8")


def _lines() -> Iterator[str]:
    sys.stdin.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    for line in sys.stdin:
        yield line.rstrip("\r\n")


def _answers(model: Path, texts: Iterable[str], size: int, top: int) -> Iterator[Answer]:
    from rnnclf.model.store import load
    from rnnclf.training.reproducibility import prepare_torch

    prepare_torch()
    classifier = load(model)
    waiting = iter(texts)
    while batch := list(itertools.islice(waiting, size)):
        for text, row in zip(batch, classifier.predict_proba(batch), strict=True):
            best = (-row).argsort(kind="stable")[:top]
            yield text, [(classifier.classes[index], float(row[index])) for index in best]


def _write_text(answers: Iterable[Answer]) -> None:
    for text, classes in answers:
        shown = "  ".join(f"{probability:.3f} {name}" for name, probability in classes)
        echo(f"{shown}\t{' '.join(text.splitlines())}")


def _write_json(answers: Iterable[Answer]) -> None:
    for text, classes in answers:
        listed = [{"label": name, "probability": share} for name, share in classes]
        echo(json.dumps({"text": text, "classes": listed}, ensure_ascii=False))


def _write_csv(answers: Iterable[Answer]) -> None:
    echo_csv([["sentence", "rank", "label", "probability"]])
    for text, classes in answers:
        echo_csv(
            [text, rank, name, f"{probability:.6f}"]
            for rank, (name, probability) in enumerate(classes, start=1)
        )


WRITERS = {"text": _write_text, "json": _write_json, "csv": _write_csv}


@click.command()
@click.argument("model", type=FOLDER)
@DATA
def evaluate(model: Path, folder: Path | None) -> None:
    """Computes the reported accuracies of a model again.

    MODEL is a bundle or the folder of a run. The test split is read only if the model was tested
    before. Accuracies agree if they differ by no more than one text, or one in a thousand. The exit
    code is 1 if one does not.
    """
    from rnnclf.bundles.verify import verify
    from rnnclf.training.reproducibility import prepare_torch

    prepare_torch()
    verified = verify(model, folder)
    for one in verified:
        verdict = "as reported" if one.agrees else "NOT AS REPORTED"
        echo(
            f"{one.part:10}  {one.texts:6} texts  reported {one.reported:.4f}  "
            f"computed {one.computed:.4f}  {verdict}"
        )
    if not verified:
        raise ModelError(f"{model}: reports no accuracy to compute again")
    if not all(one.agrees for one in verified):
        raise ModelError(f"{model}: does not achieve what it reports")


@click.command()
@click.argument("models", nargs=-1, required=True, type=FOLDER)
@click.option("--to", required=True, type=FOLDER, help="The bundle.")
@DATA
def ensemble(models: tuple[Path, ...], to: Path, folder: Path | None) -> None:
    """Makes one bundle of several models.

    The bundle averages their probabilities. MODELS are bundles or folders of runs that differ only
    in the seed. The test split is read only if all of them were tested before.
    """
    from rnnclf.bundles.ensemble import write_ensemble
    from rnnclf.training.reproducibility import prepare_torch

    prepare_torch()
    together, members = write_ensemble(models, to, folder)
    for part, name in (("validation", "val_accuracy"), ("test", "test_accuracy")):
        accuracy = getattr(together, name)
        if accuracy is not None:
            alone = [getattr(member, name) for member in members]
            echo(
                f"{part:10}  accuracy {accuracy:.4f}  "
                f"(its {len(alone)} members alone: {min(alone):.4f} to {max(alone):.4f})"
            )
    echo(to)


@click.command()
@click.argument("model", type=FOLDER)
@click.option("-o", "--output", "path", type=FILE, help="The file.  [default: model.onnx in MODEL]")
def export(model: Path, path: Path | None) -> None:
    """Writes a model as ONNX.

    It is checked against the original on 100 random texts. The graph takes word indices (batch,
    length) and lengths (batch), and gives probabilities.
    """
    from rnnclf.bundles.export import export_onnx
    from rnnclf.model.store import load

    path = path or model / "model.onnx"
    difference = export_onnx(load(model), path)
    echo(f"{path}: same labels on 100 random texts, probabilities within {difference:.1g}")
