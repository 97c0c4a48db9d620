"""`rnnclf data`: the data sets on disk."""

from pathlib import Path

import click


@click.group()
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
