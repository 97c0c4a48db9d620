"""The overrides that people type for Hydra, and its complaints in one line with a suggestion."""

import difflib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hydra.errors import HydraException
from hydra_study_sweeper.errors import SweeperError
from omegaconf.errors import OmegaConfBaseException

from rnnclf.configuration.schema import Config, keys
from rnnclf.errors import ConfigError, UserError
from rnnclf.files.paths import RunPaths

ALIASES = ("lr", "epochs", "batch_size", "embedding_size", "hidden_size")  # of conf/config.yaml
_UNHELPFUL = re.compile(
    r"^\s*(Config search path:|Alias expansion|full_key:|reference_type=|object_type=|"
    r"provider=|'.*' -> '|See https|To append to your config use).*$",
    re.MULTILINE,
)
_BESIDE_RESUME = re.compile(r"^(resume|device|threads|hydra\.verbose)=")
_NUMBERED_GROUP = re.compile(r"^\+?group=(\d+)$")
_SEVERAL_SWEEPS = re.compile(r"^(\+?group|sweeps)=.*,")
_SEVERAL_OPTIONS = re.compile(r"^(dataset|cell|optimizer)=\[")
_NOT_IN_SCHEMA = re.compile(
    r"Could not override '[\w.]+'\. Key '([\w.]+)' (?:is )?not in '(?:Composed)?Config'"
)
_UNQUOTED = re.compile(r"LexerNoViableAlt|mismatched input|no viable alternative|token recognition")
_NO_LAUNCHER = re.compile(r"Could not find 'hydra/launcher/(\w+)'")
_LAUNCHER_PACKAGES = {
    "joblib": "'rnnclf[joblib]'",
    "submitit_slurm": "'rnnclf[slurm]'",
    "ray": "'rnnclf[ray]'",
}
_UNKNOWN_KEY = re.compile(r"Could not override '([\w.]+)'")
_SEVERAL_MODES = "Only one of --run, --multirun"  # Hydra has no exception of its own for it


def name_numbered_groups(arguments: list[str]) -> list[str]:
    """Quotes the number in `+group=7`, which Hydra would not take for the name of an option."""
    return [_NUMBERED_GROUP.sub(r"+group='\1'", argument) for argument in arguments]


def refuse_several(arguments: list[str]) -> None:
    """Refuses to sweep over what makes a sweep, and lists where there can be one option.

    Raises:
        ConfigError: If an argument is such a one.
    """
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


def run_in_place(arguments: list[str]) -> list[str]:
    """Has Hydra use the folder of `resume=FOLDER` and leave its record there as it is.

    Args:
        arguments: The program, and what comes after it.

    Raises:
        ConfigError: If there is no run in that folder, or if other arguments would change it.
    """
    folders = [a.removeprefix("resume=") for a in arguments if a.startswith("resume=")]
    if not folders:
        return arguments
    folder = folders[-1].strip("'\"")
    if not RunPaths(Path(folder)).config.is_file():
        raise ConfigError(f"resume={folder}: there is no run in this folder")
    for argument in arguments[1:]:
        if not _BESIDE_RESUME.match(argument):
            raise ConfigError(f"{argument}: a resumed run keeps its configuration; leave this out")
    quoted = folder.replace('"', r"\"")
    return [*arguments, f'hydra.run.dir="{quoted}"', "hydra.output_subdir=null"]


@contextmanager
def usage_errors() -> Iterator[None]:
    """Turns what Hydra, its sweeper and OmegaConf raise into a `UserError` with one clear line."""
    try:
        yield
    except SweeperError as error:  # it says what is wrong already
        told = UserError(str(error))
        told.exit_code = error.exit_code
        raise told from error
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(_explain(error)) from error
    except ValueError as error:
        if not str(error).startswith(_SEVERAL_MODES):
            raise
        raise ConfigError(f"{error}; to see a configuration, leave out -m") from error


def _explain(error: BaseException) -> str:
    message = str(error)
    if message.startswith("hydra.mode changed"):
        return "this is a study of many runs; it needs -m: python run.py -m ..."
    cause = error.__cause__
    if cause is not None and str(cause) not in message:
        message += f"\n{cause}"
    unknown = _UNKNOWN_KEY.search(message)
    message = " ".join(_UNHELPFUL.sub("", message).split())
    message = _NOT_IN_SCHEMA.sub(r"There is no key '\1'.", message)
    if _UNQUOTED.search(message):
        message += " A value with blanks or signs needs quotes of its own: 'KEY=\"VALUE\"'."
    if plugin := _NO_LAUNCHER.search(message):
        package = _LAUNCHER_PACKAGES.get(plugin[1])
        message += f" It comes with: pip install {package}" if package else ""
    if unknown and "Did you mean" not in message:
        message += " " + _suggest(unknown[1])
    return message.strip()


def _suggest(key: str) -> str:
    full_names = {name: name for name in keys(Config)}
    full_names |= {name.rpartition(".")[2]: name for name in keys(Config)}
    full_names |= {name: name for name in ALIASES}
    close = difflib.get_close_matches(key, full_names, n=1)
    return f"Did you mean '{full_names[close[0]]}'?" if close else "All keys: python run.py --help"
