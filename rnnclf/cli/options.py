"""Arguments and options that several commands have."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from rnnclf.errors import DataError, SettingError

FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
PRESENT_FOLDER = click.Path(file_okay=False, exists=True, path_type=Path)
FOLDERS = click.argument("folders", metavar="[DIR]...", nargs=-1, type=FOLDER, default=["outputs"])
CONDITION = click.option(
    "--filter",
    "condition",
    metavar="CONDITION",
    help="Which runs, for example 'cell=gru and lr<0.01'.",
)
COLUMNS = click.option(
    "--column",
    "columns",
    multiple=True,
    help="With --file: the column of the texts, by name or number; several are joined.",
)
ENCODING = click.option("--encoding", help="With --file: its encoding, if it is not UTF-8.")
OPTIONS = {"text": "--column", "label": "--label", "encoding": "--encoding"}


@contextmanager
def errors_name_options() -> Iterator[None]:
    """Lets errors about a file name a command's options where they name the keys of a run."""
    try:
        yield
    except SettingError as error:
        raise DataError(f"{error.before}{OPTIONS[error.setting]}{error.after}") from error


def output_format(*kinds: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command the option `--format`; the first kind is the default."""
    return click.option(
        "--format",
        "kind",
        type=click.Choice(kinds),
        default=kinds[0],
        show_default=True,
        help="Format of the output.",
    )
