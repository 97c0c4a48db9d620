"""The command `rnnclf`: what is done with data sets and with the folders that runs leave."""

import json
import sys
from pathlib import Path

import click

from rnnclf import __version__
from rnnclf.errors import errors_in_one_line


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="rnnclf")
def commands() -> None:
    """Looks after data sets and trained models. Training itself: python run.py --help."""


@commands.group()
def data() -> None:
    """Data sets."""


@data.command()
@click.option(
    "--data",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the raw files.  [default: $RNNCLF_DATA, or data]",
)
def info(folder: Path | None) -> None:
    """Prints Table 1 of the hand-out for the data sets on disk; downloads nothing."""
    from rnnclf.data.overview import print_overview
    from rnnclf.data.sources import default_data_folder

    print_overview(folder or default_data_folder())


@commands.command()
@click.argument("model", type=click.Path(file_okay=False, path_type=Path))
@click.argument("texts", nargs=-1)
@click.option("--top", default=1, type=click.IntRange(min=1), help="Classes to list for a text.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a text.")
def predict(model: Path, texts: tuple[str, ...], top: int, as_json: bool) -> None:
    """Predicts the class of each of TEXTS, or of each line of standard input.

    MODEL is the folder of a run. A line of output has probability, class and text.
    """
    from rnnclf.classifier import load

    classifier = load(model)
    asked = list(texts) or [line.rstrip("\n") for line in sys.stdin]
    for text, row in zip(asked, classifier.predict_proba(asked), strict=True):
        ranked = [(classifier.classes[i], float(row[i])) for i in (-row).argsort()[:top]]
        if as_json:
            classes = [{"label": name, "probability": share} for name, share in ranked]
            click.echo(json.dumps({"text": text, "classes": classes}, ensure_ascii=False))
        else:
            shown = "  ".join(f"{share:.3f} {name}" for name, share in ranked)
            click.echo(f"{shown}\t{text}")


def main() -> None:
    """Runs the command line; errors end in one line and an exit code."""
    with errors_in_one_line():
        commands()
