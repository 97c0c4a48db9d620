"""The overrides that people type, before Hydra sees them."""

import re
from collections.abc import Iterable
from pathlib import Path

from hydra_study_sweeper.paths import trial_record

from rnnclf.errors import ConfigError
from rnnclf.files.paths import RunPaths

_BESIDE_RESUME = re.compile(r"^(\+*resume|device|threads|hydra\.verbose)=")
_RESUME = re.compile(r"^\+*resume=(.*)")
_NUMBERED_GROUP = re.compile(r"^\+?group=(\d+)$")
_EXPERIMENT = re.compile(r"^experiment=")
_SEVERAL_SWEEPS = re.compile(r"^(\+?group|sweeps)=.*,")
_SEVERAL_OPTIONS = re.compile(r"^(dataset|cell|optimizer)=\[")
_MISSPELT_SWEEPS = re.compile(r"^(sweep|study)=(.*)")
_STUDY = re.compile(r"^(\+?group|sweeps|hydra/sweeper)(=|$)")
_OF_STUDIES = re.compile(r"^(n_trials|repeats|workers|pruner|sampler|restart|dry_run)=")
_DASHES = re.compile(r"^--?(?=[\w./]+=)")
_FLAG = re.compile(
    r"^(-[hmrcpi]|-sc|--(help|hydra-help|version|cfg|resolve|package|run|multirun|info|"
    r"shell-completion)(=.*)?)$"
)
_CFG = re.compile(r"^(-c|--cfg)$")
_SEVERAL_SEEDS = re.compile(r"^seed=.*[,(]")


def as_hydra_reads_it(arguments: list[str]) -> list[str]:
    """Writes what Hydra would take for something else as it wants it.

    The number in `+group=7` is quoted, because Hydra would not take it for the name of an option;
    `experiment=` gets the `+` of a group that is not in the defaults list.
    """
    numbered = [_NUMBERED_GROUP.sub(r"+group='\1'", argument) for argument in arguments]
    return [_EXPERIMENT.sub("+experiment=", argument) for argument in numbered]


def refuse_misunderstandings(arguments: list[str]) -> None:
    """Refuses what Hydra would misunderstand, or do without a word.

    Raises:
        ConfigError: If an argument is such a one.
    """
    is_study = any(_STUDY.match(argument) for argument in arguments)
    _check_flags(arguments[1:])
    for argument in arguments:
        if _SEVERAL_OPTIONS.match(argument):
            raise ConfigError(
                f"{argument}: one option; for a run of each: -m {re.sub('[][]', '', argument)}"
            )
        if _SEVERAL_SWEEPS.match(argument):
            raise ConfigError(
                f"{argument}: one at a time; for several data sets or cells in one command: "
                "-m sweeps=auto dataset=questions,spam cell=gru,lstm"
            )
        if misspelt := _MISSPELT_SWEEPS.match(argument):
            raise ConfigError(f"{argument}: a study is python run.py -m sweeps={misspelt[2]}")
        if _OF_STUDIES.match(argument) and not is_study:
            raise ConfigError(
                f"{argument} is for a study; which one? python run.py -m sweeps=auto {argument}"
            )
        if is_study and _SEVERAL_SEEDS.match(argument):
            raise ConfigError(
                f"{argument}: a seed is nothing to search; repeats=5 pruner=wilcoxon runs each "
                "trial with five seeds"
            )


def _check_flags(arguments: list[str]) -> None:
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        if _CFG.match(argument) and following not in ("job", "hydra", "all"):
            raise ConfigError(f"{argument} {following}: it is --cfg job, --cfg hydra or --cfg all")
        if argument.startswith("-") and not _FLAG.match(argument):
            if _DASHES.match(argument):
                raise ConfigError(f"{argument}: no dashes: {_DASHES.sub('', argument)}")
            raise ConfigError(
                f"{argument}: no such option; a key is KEY=VALUE, and -m runs several values or a "
                "study; see python run.py --help"
            )


def run_in_place(arguments: list[str]) -> list[str]:
    """Has Hydra use the folder of `resume=FOLDER` and leave its record there as it is.

    Args:
        arguments: The program, and what comes after it.

    Raises:
        ConfigError: If there is no run in that folder, or if other arguments would change it.
    """
    folders = [match[1] for match in map(_RESUME.match, arguments) if match]
    if not folders:
        return arguments
    folder = folders[-1].strip("'\"")
    if not RunPaths(Path(folder)).config.is_file():
        raise ConfigError(f"resume={folder}: there is no run in this folder")
    if trial_record(Path(folder)).exists():
        raise ConfigError(
            f"resume={folder}: this is a trial of a study, which its own command continues"
        )
    for argument in arguments[1:]:
        if not _BESIDE_RESUME.match(argument):
            raise ConfigError(f"{argument}: a resumed run keeps its configuration; leave this out")
    quoted = folder.replace('"', r"\"")
    return [*arguments, f'hydra.run.dir="{quoted}"', "hydra.output_subdir=null"]


def in_order(options: Iterable[str]) -> list[str]:
    """Sorts the options of a group, numbers by their values."""
    return sorted(options, key=lambda one: (not one.isdigit(), one.zfill(3), one))
