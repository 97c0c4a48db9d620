"""Commands that train, with the configuration of the package."""

import os

import click

from rnnclf.files.command import SWEEP, TRAIN, packaged_conf

AS_TYPED = {"ignore_unknown_options": True, "help_option_names": []}  # Hydra has its own --help


def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Completes an override: groups, short names and keys, and after a group's `=` its options.

    Bash cuts words at `=`: of `cell=gr` it has the third word completed. Other shells do not.
    """
    import yaml
    from hydra_study_sweeper.options import StudySweeperConf

    from rnnclf.configuration.schema import Config, keys

    words = list(context.params.get(parameter.name or "") or ())
    if not incomplete and os.environ.get("COMP_WORDS", "").endswith("="):
        words.append("=")  # click takes it away
    cut_off = "".join(words[-2:]) if words[-1:] == ["="] else ""
    typed, conf = cut_off + incomplete, packaged_conf()
    group, equals, _ = typed.partition("=")
    if equals:
        found = [f"{group}={path.stem}" for path in (conf / group.lstrip("+")).glob("*.yaml")]
    else:
        groups = [path.name for path in conf.iterdir() if any(path.glob("*.yaml"))]
        groups += ["+experiment", "+group"]  # they are not in the defaults list
        text = (conf / "config.yaml").read_text(encoding="utf-8")
        short = yaml.safe_load(text)["hydra"]["aliases"]
        full = [*keys(Config), *keys(StudySweeperConf, "hydra.sweeper.")]
        found = [f"{name}=" for name in (*groups, *short, *full)]
    return [one.removeprefix(cut_off) for one in sorted(found) if one.startswith(typed)]


ARGUMENTS = click.argument(
    "arguments",
    nargs=-1,
    type=click.UNPROCESSED,
    metavar="[KEY=VALUE]...",
    shell_complete=complete,
)


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
