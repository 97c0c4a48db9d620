"""The command that measures what recurrent models should beat."""

from pathlib import Path

import click

from rnnclf.cli.output import echo
from rnnclf.cli.report import DEFAULT_FOLDERS, FOLDERS
from rnnclf.errors import SelectionError


@click.command()
@FOLDERS
@click.option(
    "--data",
    "data_folder",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="RNNCLF_DATA",
    default="data",
    help="Folder of the raw files.  [default: $RNNCLF_DATA, or data]",
)
def baseline(folders: tuple[Path, ...], data_folder: Path) -> None:
    """Measures linear classifiers on the texts of the runs.

    For the data sets of the runs below DIR (outputs): support vector machines on TF-IDF features of
    words, and of words and characters, trained and measured on the same texts as the runs. Their
    accuracies go to a folder baselines in the first DIR, from where compare and report show them
    beside the runs.
    """
    from rnnclf.runs.baselines import datasets_of, write_baseline
    from rnnclf.runs.find import find_runs
    from rnnclf.runs.linear import measure_baselines

    folders = folders or DEFAULT_FOLDERS
    runs = find_runs(folders).runs
    if not runs:
        raise SelectionError(f"no finished run below {', '.join(map(str, folders))}")
    for name, dataset in datasets_of(runs).items():
        measured = measure_baselines(dataset, data_folder)
        path = write_baseline(measured, folders[0] / "baselines" / name)
        for model in measured.models:
            validation = model.val_accuracy
            echo(
                f"{name}: {model.features}: validation accuracy "
                f"{'none' if validation is None else format(validation, '.4f')}, "
                f"test accuracy {model.test_accuracy:.4f}, {model.seconds:.0f} s"
            )
        echo(f"{name}: in {path}")
