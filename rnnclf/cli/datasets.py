"""`rnnclf data`: the data sets on disk."""

from pathlib import Path

import click


@click.group()
def data() -> None:
    """Describes the data sets."""


@data.command()
@click.option(
    "--data",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the raw files.  [default: $RNNCLF_DATA, or data]",
)
def info(folder: Path | None) -> None:
    """Prints the data sets on disk, as in the hand-out's Table 1.

    It downloads nothing.
    """
    from rnnclf.data.overview import print_overview
    from rnnclf.data.sources import default_data_folder

    print_overview(folder or default_data_folder())
