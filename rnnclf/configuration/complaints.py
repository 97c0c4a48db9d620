"""Complaints of Hydra, its sweeper and OmegaConf, as one line that says what to type instead."""

import difflib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields

from hydra.errors import HydraException
from hydra_study_sweeper.errors import SweeperError
from hydra_study_sweeper.options import StudySweeperConf
from omegaconf.errors import OmegaConfBaseException

from rnnclf.configuration.schema import Config, keys
from rnnclf.errors import ConfigError, ExitCode, UserError

ALIASES = ("lr", "epochs", "batch_size", "embedding_size", "hidden_size")  # of conf/config.yaml
# What other programs call these keys.
SYNONYMS = {
    "learning_rate": "lr",
    "embedding_dim": "embedding_size",
    "hidden_dim": "hidden_size",
    "num_epochs": "epochs",
    "max_epochs": "epochs",
    "rnn_type": "cell",
    "data": "dataset",
    "early_stopping": "training.patience",
    "experiments": "+experiment",
}
_UNHELPFUL = re.compile(
    r"^\s*(Config search path:|Alias expansion|full_key:|reference_type=|object_type=|"
    r"provider=|'.*' -> '|See https|To append to your config use).*$",
    re.MULTILINE,
)
_NO_KEY = re.compile(r"Could not override '([\w.]+)'\. Key '[\w.]+' (?:is )?not in '\w+'\.*")
_UNQUOTED = re.compile(r"LexerNoViableAlt|mismatched input|no viable alternative|token recognition")
_NO_EQUALS = re.compile(r"Error parsing override '(.*)' missing EQUAL")
_NO_OPTION = re.compile(r"Could not find '([\w/]+)/([^']*)' Available options in '[\w/]+': (.*)")
_NO_LAUNCHER = re.compile(r"Could not find 'hydra/launcher/(\w+)'")
_SEVERAL_VALUES = re.compile(r"Ambiguous value for argument '([^']*)'")
_LAUNCHER_PACKAGES = {
    "joblib": "'rnnclf[joblib]'",
    "submitit_slurm": "'rnnclf[slurm]'",
    "ray": "'rnnclf[ray]'",
}
_UNKNOWN_KEY = re.compile(r"Could not override '([\w.]+)'")
_SEVERAL_MODES = "Only one of --run, --multirun"  # Hydra has no exception of its own for it


@contextmanager
def usage_errors() -> Iterator[None]:
    """Turns what Hydra, its sweeper and OmegaConf raise into a `UserError` with one clear line."""
    try:
        yield
    except SweeperError as error:  # it says what is wrong already
        told = UserError(str(error))
        told.exit_code = ExitCode(error.exit_code)
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
    if several := _SEVERAL_VALUES.search(message):
        return f"{several[1]}: several values need -m: python run.py -m {several[1]}"
    if word := _NO_EQUALS.search(message):
        return f"{word[1]!r} is not KEY=VALUE, such as in: python run.py dataset=questions cell=gru"
    if choice := _NO_OPTION.search(message):
        message = _explain_option(*choice.groups())
    message = _NO_KEY.sub(r"There is no key '\1'.", message)
    if _UNQUOTED.search(message):
        message += " A value with blanks or signs needs quotes of its own: 'KEY=\"VALUE\"'."
    if plugin := _NO_LAUNCHER.search(message):
        package = _LAUNCHER_PACKAGES.get(plugin[1])
        message += f" It comes with: pip install {package}" if package else ""
    if unknown and "Did you mean" not in message:
        message += " " + _suggest(unknown[1])
    return message.strip()


def _explain_option(group: str, name: str, listed: str) -> str:
    """Says which options a group has, those with numbers in the order of these."""
    options = sorted(listed.split(), key=lambda one: (not one.isdigit(), one.zfill(3), one))
    close = difflib.get_close_matches(name.lower(), options, n=1)
    hint = f" Did you mean {group}={close[0]}?" if close else ""
    return f"There is no {group}={name}; there are {', '.join(options)}.{hint}"


def _suggest(key: str) -> str:
    end = key.rpartition(".")[2]
    if end in SYNONYMS:
        return f"Did you mean '{SYNONYMS[end]}'?"
    names = {name: name for name in keys(Config)}
    names |= {name.rpartition(".")[2]: name for name in keys(Config)}
    names |= {name: name for name in ALIASES}
    names |= {f.name: f"hydra.sweeper.{f.name}" for f in fields(StudySweeperConf)}
    close = difflib.get_close_matches(end, names, n=1)
    return f"Did you mean '{names[close[0]]}'?" if close else "All keys: python run.py --help"
