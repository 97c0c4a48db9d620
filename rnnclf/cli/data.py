"""Commands about data sets: an overview, and the accuracies of linear classifiers."""

import shlex
from pathlib import Path

import click
from hydra_study_sweeper.files import check_place

from rnnclf.cli.options import FILE, FOLDER, FOLDERS, errors_name_options
from rnnclf.cli.output import echo
from rnnclf.files.command import as_typed_here
from rnnclf.runs.baselines import distinct, write_baseline
from rnnclf.runs.find import find_runs

RAW = "Folder of the raw files.  [default: $RNNCLF_DATA, or data]"
LISTED = 20  # classes
DATA = click.option("--data", "data_folder", type=FOLDER, help=RAW)


@click.group()
def data() -> None:
    """Describes the data sets."""


@data.command()
@DATA
def info(data_folder: Path | None) -> None:
    """Prints the data sets on disk, as in the hand-out's Table 1.

    It downloads nothing.
    """
    from rnnclf.data.overview import print_overview
    from rnnclf.data.sources import default_data_folder

    print_overview(data_folder or default_data_folder())


@data.command()
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.option("--test", type=FILE, help="The test split, if it has a file.")
@click.option("--column", "columns", multiple=True, help="As dataset.text; several are joined.")
@click.option("--label", help="As dataset.label.")
@click.option("--encoding", help="As dataset.encoding.")
def check(
    file: Path, test: Path | None, columns: tuple[str, ...], label: str | None, encoding: str | None
) -> None:
    """Checks a data set of your own: what is in it, and what looks wrong.

    FILE is a file, or a folder with train.csv and perhaps validation.csv and test.csv. It is read
    as a run with `dataset=csv` reads it, which would refuse it where this command does. The last
    line is the command that trains on it.
    """
    from rnnclf.configuration.composed import composed
    from rnnclf.configuration.overrides import override
    from rnnclf.data.findings import large_path
    from rnnclf.data.prepared import prepare

    if test and file.is_dir():
        raise click.UsageError("--test goes with a file; a folder has test.csv")
    given = {
        "folder" if file.is_dir() else "file": str(file),
        "test_file": test and str(test),
        "text": "+".join(columns),
        "label": label,
        "encoding": encoding,
    }
    words = [override(f"dataset.{key}", value) for key, value in given.items() if value]
    with errors_name_options():
        config = composed("dataset=csv", *words)
        found = prepare(config.dataset, Path())
    for note in found.notes:
        echo(note)
    counts = sorted(zip(found.counts, found.classes, strict=True), key=lambda one: -one[0])
    for count, name in counts[:LISTED]:
        echo(f"{count:8}  {name}")
    if len(counts) > LISTED:
        echo(f"     and  {len(counts) - LISTED} more, of at most {counts[LISTED][0]} texts")
    parts = f"{len(found.training)} texts, validates on {len(found.validation)}"
    echo(f"a run trains on {parts} and tests on {found.num_test}")
    size = large_path(config.model.wide_buckets, len(found.classes))
    for complaint in [*found.complaints, *size]:
        echo(f"warning: {complaint}")
    echo(as_typed_here(f"next: python run.py dataset=csv {shlex.join(words)}"))


@click.command()
@FOLDERS
@DATA
def baseline(folders: tuple[Path, ...], data_folder: Path | None) -> None:
    """Measures linear classifiers on the texts of the runs.

    For the data sets of the runs below DIR (outputs), it trains support vector machines on TF-IDF
    features of words, and of words and characters, with the runs' training.class_weights, and
    measures them on the same texts as the runs.
    It writes their accuracies to the folder baselines in the first DIR; compare and report show
    them beside the runs.
    """
    from rnnclf.data.sources import default_data_folder
    from rnnclf.runs.linear import measure_baselines

    place = folders[0] / "baselines"
    check_place(place / "baseline")
    for name, config in distinct(find_runs(folders).require_runs(folders)).items():
        measured = measure_baselines(config, data_folder or default_data_folder())
        path = write_baseline(measured, place / name)
        for model in measured.models:
            validation = "no validation texts"
            if model.val_accuracy is not None:
                validation = f"validation accuracy {model.val_accuracy:.4f} "
                validation += f"macro-F1 {model.val_macro_f1:.4f}"
            echo(
                f"{name}: {model.features}: {validation}, test accuracy {model.test_accuracy:.4f} "
                f"macro-F1 {model.test_macro_f1:.4f}, {model.seconds:.0f} s"
            )
        echo(f"{name}: in {path}")
