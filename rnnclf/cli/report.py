"""Commands that show what is in the folders of runs and studies."""

from pathlib import Path

import click

FOLDERS = click.argument(
    "folders",
    metavar="[DIR]...",
    nargs=-1,
    type=click.Path(file_okay=False, path_type=Path),
)
DEFAULT_FOLDERS = (Path("outputs"),)


@click.command()
@FOLDERS
@click.option(
    "-o",
    "--output",
    default="report.html",
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The page to write.",
)
def report(folders: tuple[Path, ...], output: Path) -> None:
    """Writes one self-contained page about all runs and studies below DIR (outputs)."""
    from rnnclf.report.page import write_report

    found = write_report(folders or DEFAULT_FOLDERS, output)
    click.echo(
        f"{output}: {len(found.runs)} runs, {len(found.studies)} studies, "
        f"{len(found.left_out)} folders left out"
    )


@click.command()
@FOLDERS
@click.option(
    "--port", default=0, type=click.IntRange(0, 65535), help="Its port.  [default: a free one]"
)
def dashboard(folders: tuple[Path, ...], port: int) -> None:
    """Shows all studies below DIR (outputs) in optuna-dashboard, on this machine only.

    New trials appear as they come. Nothing can be changed in it. Ctrl-C ends it.
    """
    from rnnclf.report.dashboard import serve

    serve(folders or DEFAULT_FOLDERS, port, announce=click.echo)
