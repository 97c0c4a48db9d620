"""Commands that show runs and studies."""

from pathlib import Path

import click
from hydra_study_sweeper.printable import counted

from rnnclf.cli.options import FILE, FOLDERS, PRESENT_FOLDER
from rnnclf.cli.output import echo
from rnnclf.errors import SelectionError, UserError


@click.command()
@FOLDERS
@click.option(
    "-o", "--output", default="report.html", show_default=True, type=FILE, help="The page to write."
)
def report(folders: tuple[Path, ...], output: Path) -> None:
    """Writes one page about runs and studies.

    It covers everything below DIR (outputs), and needs no other file.
    """
    from rnnclf.report.page import write_report

    found = write_report(folders, output)
    echo(
        f"{output}: {counted(len(found.runs), 'run')}, "
        f"{counted(len(found.studies), 'study', 'studies')}, "
        f"{counted(len(found.left_out), 'folder')} left out"
    )


@click.command()
@click.argument("study", type=PRESENT_FOLDER)
@click.option(
    "--port", default=8080, show_default=True, type=click.IntRange(1, 65535), help="The TCP port."
)
def dashboard(study: Path, port: int) -> None:
    """Shows a study in optuna-dashboard.

    STUDY is its folder. Only this machine can open the page, until Ctrl-C. New trials appear as
    they end. The page is read-only.
    """
    try:
        from bottle import run
        from optuna_dashboard import wsgi
    except ImportError as error:
        raise UserError(
            "optuna-dashboard is not installed: pip install 'rnnclf[dashboard]'"
        ) from error
    from hydra_study_sweeper.errors import StudyError
    from hydra_study_sweeper.storage.journal import journal_for_reading, read_journal

    from rnnclf.report.server import LOOPBACK, Server, for_this_machine

    try:
        read_journal(study)  # raises if there is no study in it
        page = for_this_machine(wsgi(journal_for_reading(study)), port)
    except StudyError as error:
        raise SelectionError(str(error)) from error
    echo(f"{study} on http://{LOOPBACK}:{port}/  (Ctrl-C ends it)")
    try:
        run(page, host=LOOPBACK, port=port, server_class=Server)
    except OSError as error:
        raise SelectionError(f"port {port}: {error.strerror}; choose another --port") from error
