"""Complaints of Hydra, its sweeper and OmegaConf, as one line that says what to type instead."""

import difflib
import re
from collections.abc import Iterator
from contextlib import contextmanager

from hydra.errors import HydraException
from hydra_study_sweeper.errors import SweeperError
from hydra_study_sweeper.options import StudySweeperConf, all_types
from omegaconf.errors import OmegaConfBaseException

from rnnclf.configuration.overrides import in_order
from rnnclf.configuration.schema import Config
from rnnclf.errors import ConfigError, ExitCode, UserError
from rnnclf.files.command import as_typed_here

GROUPS = ("dataset", "cell", "optimizer", "launcher", "sweeps", "experiment", "group")
GROUPS_OF_SWEEPER = ("pruner", "sampler")
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
    "model": "cell",
    "trials": "n_trials",
    "timeout": "minutes",
    "time_limit": "minutes",
    "repeat": "repeats",
    "seeds": "hydra.sweeper.refit.seeds",
}
LAUNCHERS = {"joblib": "joblib", "submitit_slurm": "slurm", "ray": "ray"}  # and their extras
_QUOTES = "a value with blanks or signs needs quotes of its own: 'KEY=\"VALUE\"'"
_SPACE = "a search space has choice, range, interval, int and tag(log, interval(A, B))"
_STUDY = "a search needs a study: python run.py -m sweeps=auto"
_TYPED = r"string: ([^\n]*?) out of \[.*"
_SET = r"merging override ([^\n]*).*"
# What Hydra and OmegaConf write, and what a person reads instead; the first that is found counts.
_INSTEAD = {
    r"alias '(.*?)' requires a value": r"'\1' is not KEY=VALUE, such as \1=VALUE",
    _TYPED + "missing EQUAL": r"'\1' is not KEY=VALUE, such as dataset=questions",
    _TYPED + r"function '(\w+)'": rf"\1: there is no function \2; {_SPACE}, and {_QUOTES}",
    r"string: ([^\n]*,) out of \[": r"\1 ends with a comma; several values have no blanks: KEY=A,B",
    r"parsing override '([^\n]*)'\n\w+ while evaluating '[^\n]*?': ([^\n]*)": r"\1: \2",
    _TYPED: rf"'\1' cannot be read; {_QUOTES}",
    _SET + r"Value '(\d+)\.0' .*to Integer": r"\1: must be a whole number, such as \2, or "
    "int(interval(A, B)) to search",
    _SET + "to Integer": r"\1: must be a whole number",
    _SET + "to Float": r"\1: must be a number",
    _SET + "not a valid bool": r"\1: must be true or false",
    _SET + r"expected one of \[(.*?)\]": r"\1: must be one of \2",
    _SET + "not Optional": r"\1: needs a value",
    r"override model=(\w+)\n.*Invalid": r"model=\1: did you mean cell=\1, or model.KEY=VALUE?",
    _SET + r"Invalid type.*full_key: (\S+)": r"\1: \2 is a section; set its keys, \2.KEY=VALUE",
    _SET + "not support deletion": r"\1: a key cannot be deleted; set another value",
    r"An item is already at '(.*?)'": r"\1 exists already: leave out the +",
    r"Multiple values for (\S+)\. To|(\S+) appears more": r"\1\2 is chosen: leave out the +",
    r"mandatory value: .*full_key: ([\w.]+)": r"\1 has no value",
    r"Ambiguous value for argument '(.*?)=0,(0\d+)'\n": r"\1=0,\2: write \1=0.\2, with a point",
    r"Ambiguous value for argument '(.*?)'\n": r"\1: several values need -m: python run.py -m \1",
    r"Sweep parameters '(.*?)' requires": rf"\1: {_STUDY} '\1'",
    "BasicSweeper does not support": f"{_STUDY} ...",
    r"hydra\.mode changed": "this is a study of many runs; it needs -m: python run.py -m ...",
}
_NO_OPTION = re.compile(
    r"find '(dataset|[\w/]+)/([^']*)'.*Available options in [^\n]*:(.*?)Config", re.DOTALL
)
_NO_LAUNCHER = re.compile(r"find 'hydra/launcher/(\w+)'")
_UNKNOWN_KEY = re.compile(
    r"Could not override '([\w.-]+)'|Key '\w+' (?:is )?not in .*full_key: ([\w.]+)", re.DOTALL
)
# Hydra has no exceptions of its own for these.
_SEVERAL_MODES = "Only one of --run, --multirun"
_NO_NAME = "Config group override must be a string"


@contextmanager
def usage_errors() -> Iterator[None]:
    """Turns what Hydra, its sweeper and OmegaConf raise into a `UserError` with one clear line."""
    try:
        yield
    except SweeperError as error:  # it says what is wrong already, unless Hydra said it
        if _NO_OPTION.search(str(error)):
            raise ConfigError(_explain(error)) from error
        told = UserError(str(error))
        told.exit_code = ExitCode(error.exit_code)
        raise told from error
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(as_typed_here(_explain(error))) from error
    except ValueError as error:
        if isinstance(error.__cause__, OSError):  # the log file is a link or a pipe
            raise error.__cause__ from error
        if str(error).startswith(_SEVERAL_MODES):
            raise ConfigError(f"{error}; to see a configuration, leave out -m") from error
        if str(error).startswith(_NO_NAME):
            raise ConfigError(
                "the options of a group have names, such as cell=gru; "
                "one of yours is a number, true, false or null"
            ) from error
        raise


def _explain(error: BaseException) -> str:
    message = f"{error}\n{error.__cause__ or ''}"
    if choice := _NO_OPTION.search(message):
        plugin = _NO_LAUNCHER.search(message)
        extra = LAUNCHERS.get(plugin[1]) if plugin else None
        comes_with = f" It comes with: pip install 'rnnclf[{extra}]'" if extra else ""
        return _explain_option(*choice.groups()) + comes_with
    if unknown := _UNKNOWN_KEY.search(message):
        key = unknown[1] or unknown[2]
        return f"There is no key '{key}'. {_suggest(key)}"
    for pattern, instead in _INSTEAD.items():
        if found := re.search(pattern, message, re.DOTALL):
            return found.expand(instead)
    return " ".join(str(one).partition("\n")[0] for one in (error, error.__cause__) if one)


def _explain_option(group: str, name: str, listed: str) -> str:
    if group == "dataset" and ("/" in name or "." in name):
        return f"There is no dataset={name}. A file of your own: dataset=csv dataset.file={name}"
    options = in_order(listed.split())
    close = difflib.get_close_matches(name.lower(), options, n=1)
    hint = f" Did you mean {group}={close[0]}?" if close and not name.isdigit() else ""
    shown = [one for one in options if group == "experiment" and name in one] or options
    return f"There is no {group}={name}; there are {', '.join(shown)}.{hint}"


def _suggest(key: str) -> str:
    end = key.rpartition(".")[2].replace("-", "_")
    if end in SYNONYMS:
        return f"Did you mean '{SYNONYMS[end]}'?"
    full = [*all_types(Config), *all_types(StudySweeperConf, "hydra.sweeper.")]
    names = {name.rpartition(".")[2]: name for name in reversed(full)}
    names |= {name: name for name in (*full, *GROUPS, *GROUPS_OF_SWEEPER)}
    close = difflib.get_close_matches(key, names, n=1) or difflib.get_close_matches(end, names, n=1)
    return f"Did you mean '{names[close[0]]}'?" if close else "All keys: python run.py --help"
