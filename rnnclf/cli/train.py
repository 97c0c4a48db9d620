"""Commands that train, with the configuration of the package."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

import click

from rnnclf.files.command import SWEEP, TRAIN, packaged_conf

AS_TYPED = {"ignore_unknown_options": True, "help_option_names": []}  # Hydra has its own --help


def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Completes an override: groups, short names and keys, and after `=` values that have names.

    Bash cuts words at `=`: of `cell=gr` it has the third word completed. Other shells do not.
    """
    import yaml
    from hydra_study_sweeper.options import StudySweeperConf, all_types

    from rnnclf.configuration.schema import Config

    words = list(context.params.get(parameter.name or "") or ())
    if not incomplete and os.environ.get("COMP_WORDS", "").endswith("="):
        words.append("=")  # click takes it away
    cut_off = "".join(words[-2:]) if words[-1:] == ["="] else ""
    typed, conf = cut_off + incomplete, packaged_conf()
    key, equals, _ = typed.partition("=")
    text = (conf / "config.yaml").read_text(encoding="utf-8")
    short = yaml.safe_load(text)["hydra"]["aliases"]
    types = all_types(Config) | all_types(StudySweeperConf, "hydra.sweeper.")
    if equals:
        found = [f"{key}={value}" for value in _values(short.get(key, key), types, conf)]
    else:
        groups = [path.name for path in conf.iterdir() if any(path.glob("*.yaml"))]
        groups += ["+experiment", "+group"]  # they are not in the defaults list
        found = [f"{name}=" for name in (*groups, *short, *types, "tracking", "resume")]
    return [one.removeprefix(cut_off) for one in sorted(found) if one.startswith(typed)]


def _values(key: str, types: dict[str, Any], conf: Path) -> Iterator[str]:
    """The options of a group, or the values of a key that have names."""
    from hydra_study_sweeper.options import PRUNERS, SAMPLERS
    from hydra_study_sweeper.tracking.mirror import LIBRARIES

    named: dict[str, Iterable[str]] = {
        "hydra/sweeper/sampler": SAMPLERS,
        "hydra/sweeper/pruner": PRUNERS,
        "hydra.sweeper.tracking": LIBRARIES,
        "tracking": LIBRARIES,
        "device": ("auto", "cpu", "cuda"),
    }
    yield from (path.stem for path in (conf / key.lstrip("+")).glob("*.yaml"))
    yield from named.get(key, ())
    hint = types.get(key)
    for kind in get_args(hint) if isinstance(hint, UnionType) else (hint,):
        yield from map(str, get_args(kind) if get_origin(kind) is Literal else ())
        yield from {bool: ("false", "true"), NoneType: ("null",)}.get(kind, ())


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
    """Runs a study or a grid: rnnclf sweep sweeps=questions.

    It is `python run.py -m` with the configuration of the installed package.
    """
    from rnnclf.cli.application import start

    start([SWEEP, "-m", *arguments])
