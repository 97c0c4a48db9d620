"""Commands that take a trained model."""

from collections.abc import Sequence
from pathlib import Path

import click
from hydra_study_sweeper.files import check_place
from hydra_study_sweeper.printable import counted

from rnnclf.cli.options import (
    COLUMNS,
    ENCODING,
    FILE,
    FOLDER,
    PRESENT_FOLDER,
    errors_name_options,
)
from rnnclf.cli.output import echo
from rnnclf.errors import ModelError
from rnnclf.files.words import first_of

TEXTS = "Folder of the raw files, or of train.csv and test.csv.  [default: $RNNCLF_DATA, or data]"
DATA = click.option("--data", "folder", type=PRESENT_FOLDER, help=TEXTS)
NAMED = 5  # labels that a message names


@click.command()
@click.argument("model", type=FOLDER)
@DATA
@click.option("--file", type=FILE, help="Measure the model on a labelled file instead.")
@COLUMNS
@click.option("--label", help="The column of the labels, by name or number, if it is not found.")
@ENCODING
@click.option(
    "--mistakes", type=FILE, help="With --file: write the mistakes, in a format of predict -o."
)
def evaluate(
    model: Path,
    folder: Path | None,
    file: Path | None,
    columns: tuple[str, ...],
    label: str | None,
    encoding: str | None,
    mistakes: Path | None,
) -> None:
    """Checks a model's accuracies, or measures it on labelled texts.

    MODEL is a bundle or the folder of a run, whose reported accuracies are computed again. The test
    split is read only if the model was tested before. Accuracies agree if they differ by no more
    than one text, or one in a thousand. The exit code is 1 if one does not.

    With --file: accuracy and macro-F1 with 95 % intervals, and the classes. A label that the model
    does not have counts as a mistake.
    """
    if file:
        if folder:
            raise click.UsageError("--data or --file, not both")
        _measure(model, file, columns, label, encoding, mistakes)
    elif columns or label or encoding or mistakes:
        raise click.UsageError("--column, --label, --encoding and --mistakes are for --file")
    else:
        _verify(model, folder)


def _verify(model: Path, folder: Path | None) -> None:
    from rnnclf.bundles.verify import verify
    from rnnclf.training.reproducibility import prepare_torch

    prepare_torch()
    verified = verify(model, folder)
    for one in verified:
        echo(
            f"{one.part:10}  {one.texts:6} texts  reported {one.reported:.4f}  "
            f"computed {one.computed:.4f}  {one.verdict}"
        )
    if not verified:
        raise ModelError(f"{model}: reports no accuracy to compute again")
    if not all(one.agrees for one in verified):
        raise ModelError(f"{model}: its accuracies are not as reported")


def _measure(
    model: Path,
    file: Path,
    columns: Sequence[str],
    label: str | None,
    encoding: str | None,
    mistakes: Path | None,
) -> None:
    from rnnclf.data.tables.table import Reading, read_table
    from rnnclf.files.answers import check_output, write_answers
    from rnnclf.files.class_table import class_table

    if mistakes:
        check_output(mistakes, file)
    reading = Reading(text=columns, label=label, encoding=encoding, keep=True)
    with errors_name_options():
        table = read_table(file, reading)
    if said := table.check(table.bad, skip=False, remedy="Mend them, or leave them out"):
        echo(said, err=True)
    from rnnclf.bundles.measure import measure  # here: a wrong column need not wait for torch
    from rnnclf.model.store import load
    from rnnclf.training.reproducibility import prepare_torch

    prepare_torch()
    found = measure(load(model), table.texts, table.labels)
    echo(f"{file}: {counted(len(table.texts), 'text')}, {table.columns}")
    if found.unknown:
        named = first_of(found.unknown, NAMED)
        echo(f"labels that the model does not have, whose texts are mistakes: {named}", err=True)
    for name, (value, low, high) in (("accuracy", found.accuracy), ("macro-F1", found.macro_f1)):
        echo(f"{name}  {value:.4f}  (95 % interval {low:.4f} to {high:.4f})")
    echo(f"expected calibration error  {found.calibration_error:.4f}")
    for line in class_table(found.classes, "file's"):
        echo(line)
    if mistakes:
        wrong = [
            (row, answer)
            for row, truth, answer in zip(table.rows, table.labels, found.answers, strict=True)
            if truth != answer[0]
        ]
        rows_of, answers = [row for row, _ in wrong], [answer for _, answer in wrong]
        write_answers(mistakes, table.columns.names, rows_of, answers)
        echo(f"{mistakes}: {counted(len(wrong), 'mistake')}")


@click.command()
@click.argument("models", nargs=-1, required=True, type=FOLDER)
@click.option("--to", required=True, type=FOLDER, help="The bundle.")
@DATA
def ensemble(models: tuple[Path, ...], to: Path, folder: Path | None) -> None:
    """Combines several models into one bundle.

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
    """Writes a model as ONNX, and a program that predicts with it.

    The program has the graph's name and the suffix .py. It needs onnxruntime and the graph, but not
    rnnclf. Before both are written, its answers are compared with the model's for 100 made-up
    texts, some of them with unknown words, without a word, or longer than the model reads.
    """
    from rnnclf.bundles.export import TEXTS, export_onnx
    from rnnclf.model.store import load

    path = path or model / "model.onnx"
    check_place(path)
    classifier = load(model)
    difference = export_onnx(classifier, path)
    echo(
        f"{path} and {path.with_suffix('.py')}: same labels as the model on {TEXTS} made-up texts, "
        f"probabilities within {difference:.1g}"
    )
    if classifier.config.model.ngram_buckets:
        echo("unknown words have no character n-grams in it and are <unk>")
