"""Commands that show runs and studies."""

from pathlib import Path

import click

from rnnclf.cli.options import FOLDERS
from rnnclf.cli.output import echo
from rnnclf.errors import SelectionError, UserError

LOOPBACK = "127.0.0.1"


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
    """Writes one page about runs and studies.

    It covers everything below DIR (outputs), and needs no other file.
    """
    from rnnclf.report.page import write_report

    found = write_report(folders, output)
    echo(
        f"{output}: {len(found.runs)} runs, {len(found.studies)} studies, "
        f"{len(found.left_out)} folders left out"
    )


@click.command()
@click.argument("study", type=click.Path(file_okay=False, exists=True, path_type=Path))
@click.option(
    "--port", default=8080, show_default=True, type=click.IntRange(1, 65535), help="The TCP port."
)
def dashboard(study: Path, port: int) -> None:
    """Shows a study in optuna-dashboard.

    STUDY is its folder. Only this machine can open the page, until Ctrl-C. New trials appear as
    they end. The page is read-only.
    """
    try:
        from optuna_dashboard import run_server
    except ImportError as error:
        raise UserError(
            "optuna-dashboard is not installed: pip install 'rnnclf[dashboard]'"
        ) from error
    from hydra_study_sweeper.errors import StudyError
    from hydra_study_sweeper.storage.journal import journal_for_reading

    try:
        storage = journal_for_reading(study)
        echo(f"{study} on http://{LOOPBACK}:{port}/  (Ctrl-C ends it)")
        run_server(storage, host=LOOPBACK, port=port)
    except StudyError as error:
        raise SelectionError(str(error)) from error
    except OSError as error:
        raise SelectionError(f"port {port}: {error.strerror}; choose another --port") from error
