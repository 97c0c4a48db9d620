"""Arguments and options that several commands have."""

from pathlib import Path

import click

FOLDER = click.Path(file_okay=False, path_type=Path)
FOLDERS = click.argument("folders", metavar="[DIR]...", nargs=-1, type=FOLDER, default=["outputs"])
CONDITION = click.option(
    "--filter",
    "condition",
    metavar="CONDITION",
    help="Which runs, for example 'cell=gru and lr<0.01'.",
)
