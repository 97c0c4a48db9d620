"""How commands print: nothing that comes from a file may rule the terminal."""

import io
import sys
from collections.abc import Iterable, Sequence

import click
from hydra_study_sweeper.printable import printable

from rnnclf.files.answers import csv_writer


def echo(text: object, *, err: bool = False, nl: bool = True) -> None:
    """Prints what is for a person, or JSON."""
    click.echo(printable(str(text)), err=err, nl=nl)


def echo_csv(rows: Iterable[Sequence[object]]) -> None:
    """Prints rows as CSV: as they are for a program, and for a person like a message."""
    buffer = io.StringIO()
    csv_writer(buffer).writerows(rows)
    content = buffer.getvalue()
    click.echo(printable(content) if sys.stdout.isatty() else content, nl=False)
