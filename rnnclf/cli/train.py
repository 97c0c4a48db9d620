"""Commands that train, with the configuration of the package."""

import click

from rnnclf.files.command import SWEEP, TRAIN

AS_TYPED = {"ignore_unknown_options": True, "help_option_names": []}  # Hydra has its own --help
ARGUMENTS = click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[KEY=VALUE]...")


@click.command(context_settings=AS_TYPED)
@ARGUMENTS
def train(arguments: tuple[str, ...]) -> None:
    """Trains a model: rnnclf train dataset=questions cell=gru.

    It is `python run.py` with the configuration of the installed package; a conf/ in the current
    folder is not read. `rnnclf train --help` lists groups, short names and keys.
    """
    from rnnclf.cli.application import start

    start([TRAIN, *arguments])


@click.command(context_settings=AS_TYPED)
@ARGUMENTS
def sweep(arguments: tuple[str, ...]) -> None:
    """Runs a study or a grid: rnnclf sweep sweeps=questions cell=gru.

    It is `python run.py -m` with the configuration of the installed package.
    """
    from rnnclf.cli.application import start

    start([SWEEP, "-m", *arguments])
