"""The overrides that people type, before Hydra sees them."""

import os
import re
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from hydra_study_sweeper.files import refuse_links
from hydra_study_sweeper.paths import StudyPaths, trial_record

from rnnclf.errors import ConfigError
from rnnclf.files.command import as_typed_here
from rnnclf.files.paths import RunPaths

_STUDY = re.compile(r"(\+?group|sweeps|hydra/sweeper)(=|$)")
_FLAG = re.compile(
    r"-[hmrcpi]|-sc|--(help|hydra-help|version|cfg|resolve|package|run|multirun|info|"
    r"shell-completion)(=.*)?"
)
_FROM_FOLDER = "python run.py from=FOLDER takes the values of a run, a bundle or a study"
_NAMES = r"\g<0>: the options of \1 have names; python run.py --help lists them"
# What Hydra would misunderstand, or do without a word, and what to type instead.
_MISUNDERSTOOD = {
    # argparse takes beginnings of options, too. All of these lead Hydra to files outside of conf/.
    r"(--co|--ex|-c[pnd]|\W*hydra\.searchpath).*": (
        rf"\g<0>: a configuration outside of conf/ could run any program; {_FROM_FOLDER}"
    ),
    r"--?([\w./]+=.*)": r"\g<0>: no dashes: \1",
    r"-.*": (
        r"\g<0>: no such option; a key is KEY=VALUE, and -m runs several values or a study; "
        "see python run.py --help"
    ),
    r"(dataset|cell|optimizer|launcher|pruner|sampler)=(?i:null)": _NAMES,
    r"(dataset|cell|optimizer|launcher|pruner|sampler|sweeps|\+experiment)="
    r"(?i:true|false|[-+]?([\d._]+(e[-+]?\d+)?|inf|nan))": _NAMES,
    r"((?:dataset|cell|optimizer)=)\[(.*)\]": r"\g<0>: one option; for a run of each: -m \1\2",
    r"(\+?group|sweeps)=.*,.*": (
        r"\g<0>: one at a time; for several data sets or cells in one command: "
        "-m sweeps=auto dataset=questions,spam cell=gru,lstm"
    ),
    r"tracking=.*,.*": r"\g<0>: one tracker at a time",
    r"(?:sweep|study)=(.*)": r"\g<0>: a study is python run.py -m sweeps=\1",
}
_WITHOUT_STUDY = {
    r"(n_trials|minutes|repeats|workers|pruner|sampler|restart|dry_run)=.*": (
        r"\g<0> is for a study; which one? python run.py -m sweeps=auto \g<0>"
    ),
}
_WITHOUT_SHELL = {
    r"query=\w+": r"\g<0> is what a shell asks; to set it up: python run.py -sc install=bash"
}
_BESIDE_RESUME = re.compile(r"(\+*resume|tracking|device|threads|hydra\.verbose)=")


def as_hydra_reads_it(arguments: list[str]) -> list[str]:
    """Writes what Hydra would take for something else as it wants it.

    The number in `+group=7` is quoted, because Hydra would not take it for the name of an option;
    `experiment=` gets the `+` of a group that is not in the defaults list.
    """
    numbered = [re.sub(r"^\+?group=(\d+)$", r'+group="\1"', one) for one in arguments]
    return [re.sub(r"^experiment=", "+experiment=", one) for one in numbered]


def refuse_misunderstandings(arguments: list[str]) -> None:
    """Refuses what Hydra would misunderstand, do without a word, or read outside of `conf/`.

    Raises:
        ConfigError: If an argument is such a one.
    """
    patterns = dict(_MISUNDERSTOOD)
    if not any(map(_STUDY.match, arguments)):
        patterns |= _WITHOUT_STUDY
    if "COMP_LINE" not in os.environ:  # which a shell sets
        patterns |= _WITHOUT_SHELL
    for argument, following in pairwise([*arguments[1:], ""]):
        if argument in ("-c", "--cfg") and following not in ("job", "hydra", "all"):
            typed = f"{argument} {following}".rstrip()
            raise ConfigError(f"{typed}: it is --cfg job, --cfg hydra or --cfg all")
        if _FLAG.fullmatch(argument):
            continue
        for pattern, instead in patterns.items():
            if found := re.fullmatch(pattern, argument, re.DOTALL):
                raise ConfigError(as_typed_here(found.expand(instead)))


def run_in_place(arguments: list[str]) -> list[str]:
    """Has Hydra use the folder of `resume=FOLDER` and leave its record there as it is.

    Args:
        arguments: The program, and what comes after it.

    Raises:
        ConfigError: If there is no run in that folder, or if other arguments would change it.
    """
    folder = last_folder(arguments, "resume")
    if folder is None:
        return arguments
    record = StudyPaths(Path(folder)).record
    for place, what in ((record, "a study"), (trial_record(Path(folder)), "a trial of a study")):
        if place.exists():
            raise ConfigError(f"resume={folder}: this is {what}, which its own command continues")
    if not RunPaths(Path(folder)).config.is_file():
        raise ConfigError(f"resume={folder}: there is no run in this folder")
    for argument in arguments[1:]:
        if not _BESIDE_RESUME.match(argument):
            raise ConfigError(f"{argument}: a resumed run keeps its configuration; leave this out")
    return [*arguments, override("hydra.run.dir", folder), "hydra.output_subdir=null"]


def override(key: str, value: str) -> str:
    """Writes an override that gives a key a string, whatever its signs are."""
    plain = re.fullmatch(r"([a-z_/]|\.\.?/)[\w./+-]*( [\w./+-]+)*", value, re.ASCII | re.IGNORECASE)
    if plain and value.lower() not in ("null", "true", "false", "inf", "nan"):
        return f"{key}={value}"
    # Hydra reads a backslash as one unless a quote follows.
    quoted = re.sub(r'\\*(?="|\Z)', lambda found: 2 * found[0], value).replace('"', r"\"")
    return f'{key}="{quoted}"'


def refuse_links_in_place(arguments: list[str]) -> None:
    """Refuses a folder for runs from which a link leads elsewhere: Hydra would write through it.

    Raises:
        ConfigError: If the arguments name such a folder.
    """
    named = [last_folder(arguments, f"hydra.{mode}.dir") for mode in ("run", "sweep")]
    for folder in filter(None, named):
        try:
            refuse_links(Path(folder))
        except OSError as error:
            raise ConfigError(f"{error.filename} is {error.strerror}; delete it first") from error


def last_folder(arguments: Iterable[str], key: str) -> str | None:
    """Returns the folder that `key=FOLDER` names, the last of several; None without any."""
    found = [re.match(rf"\+*{key}=(.*)", one, re.DOTALL) for one in arguments]
    return next((match[1].strip("'\"") for match in reversed(found) if match), None)


def in_order(options: Iterable[str]) -> list[str]:
    """Sorts the options of a group, numbers by their values."""
    return sorted(options, key=lambda one: (not one.isdigit(), one.zfill(3), one))
