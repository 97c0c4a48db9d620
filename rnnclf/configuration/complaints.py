"""Complaints of Hydra, its sweeper and OmegaConf, as one line that says what to type instead."""

import difflib
import re
from collections.abc import Iterator
from contextlib import contextmanager

from hydra.errors import HydraException
from hydra_study_sweeper.errors import SweeperError
from hydra_study_sweeper.options import StudySweeperConf
from omegaconf.errors import OmegaConfBaseException

from rnnclf.configuration.overrides import in_order
from rnnclf.configuration.schema import Config, keys
from rnnclf.errors import ConfigError, ExitCode, UserError

# Of conf/config.yaml.
ALIASES = (
    *("lr", "epochs", "batch_size", "embedding_size", "hidden_size"),
    *("n_trials", "repeats", "workers", "pruner", "sampler", "restart", "dry_run"),
)
GROUPS = ("dataset", "cell", "optimizer", "launcher", "sweeps", "experiment", "group")
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
    "seeds": "hydra.sweeper.refit.seeds",
}
_UNHELPFUL = re.compile(
    r"^\s*(Config search path:|Alias expansion|full_key:|reference_type=|object_type=|"
    r"provider=|'.*' -> '|See https|To append to your config use).*$",
    re.MULTILINE,
)
_QUOTES = "a value with blanks or signs needs quotes of its own: 'KEY=\"VALUE\"'"
# What Hydra and OmegaConf write, and what a person reads instead; \1 is the override or the key.
_REPHRASED = {
    r"Error when parsing index: \d+, string: .*? out of \[.*\]\. (?=Error)": r"",
    r"Error when parsing index: \d+, string: (.*,) out of \[.*": (
        r"\1 ends with a comma; several values have no blanks between them: KEY=A,B"
    ),
    r"Error when parsing index: \d+, string: (.*?) ?out of .*": rf"'\1' cannot be read; {_QUOTES}",
    r"(\S+): extraneous input.*": rf"'\1' cannot be read; {_QUOTES}",
    r"Unknown function '(\w+)' Available: .*": (
        r"there is no function \1; a search space has choice, range, interval, int and "
        rf"tag(log, interval(A, B)), and {_QUOTES}"
    ),
    r"BasicSweeper does not support sweep type.*": (
        r"a search space needs a study: python run.py -m sweeps=auto ..."
    ),
    r"Error parsing override '(.*)' missing EQUAL.*": (
        r"'\1' is not KEY=VALUE, such as in: python run.py dataset=questions cell=gru"
    ),
    r"Override alias '(.*)' requires a value.*": r"'\1' is not KEY=VALUE, such as \1=VALUE",
    r"Error parsing override '(.*?)' (?:\w+ while evaluating '.*?': )?": r"\1: ",
    r"Ambiguous value for argument '([^']*)'.*": r"\1: several values need -m: python run.py -m \1",
    r"Error merging override (.*?=(\d+)\.0) Value .* converted to Integer": (
        r"\1: must be a whole number, such as \2; a search space of whole numbers is "
        r"int(interval(A, B))"
    ),
    r"Error merging override (.*) Value .* converted to Integer": r"\1: must be a whole number",
    r"Error merging override (.*) Value .* converted to Float": r"\1: must be a number",
    r"Error merging override (.*) Value .* is not a valid bool.*": r"\1: must be true or false",
    r"Error merging override (.*) Invalid value .* expected one of \[(.*)\]": (
        r"\1: must be one of \2"
    ),
    r"Error merging override (.*) field .* is not Optional": r"\1: needs a value",
    r"Error merging override ((.*?)=.*) Invalid type assigned.*": (
        r"\1: \2 is a section; set one of its keys, \2.KEY=VALUE"
    ),
    r"Error merging override (.*) \w+ \(DictConfig\) does not support deletion": (
        r"\1: a key cannot be deleted; set another value"
    ),
    r"Error merging override ": r"",
    r"Could not append to config\. An item is already at '(.*?)'.*": (
        r"\1 exists already: leave out the +"
    ),
    r"Multiple values for (\S+?)\. .*": r"\1 is chosen already: leave out the +",
    r"Could not override '([\w.]+)'\. Key '[\w.]+' (?:is )?not in '\w+'\.*": (
        r"There is no key '\1'."
    ),
    r"Key '([\w.]+)' not in 'Config'": r"There is no key '\1'.",
    r" ?Did you mean(?: one of)?: .*\?": r"",
    r"MissingMandatoryValue .*: ([\w.]+)": r"\1 has no value; choose an option of its group",
    r"Sweep parameters '(.*)' requires --multirun": (
        r"\1: a search needs a study: python run.py -m sweeps=auto '\1'"
    ),
    r"hydra\.mode changed.*": r"this is a study of many runs; it needs -m: python run.py -m ...",
}
_NO_OPTION = re.compile(r"Could not find '([\w/]+)/([^']*)' Available options in '[\w/]+': (.*)")
_NO_LAUNCHER = re.compile(r"Could not find 'hydra/launcher/(\w+)'")
_LAUNCHER_PACKAGES = {
    "joblib": "'rnnclf[joblib]'",
    "submitit_slurm": "'rnnclf[slurm]'",
    "ray": "'rnnclf[ray]'",
}
_UNKNOWN_KEY = re.compile(r"(?:Could not override|Key) '([\w.]+)'(?:\.| not in 'Config')")
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
    cause = error.__cause__
    if cause is not None and str(cause) not in message:
        message += f"\n{cause}"
    message = " ".join(_UNHELPFUL.sub("", message).split())
    found = _UNKNOWN_KEY.search(message)
    unknown = found[1] if found else ""
    if choice := _NO_OPTION.search(message):
        message = _explain_option(*choice.groups())
    if plugin := _NO_LAUNCHER.search(message):
        package = _LAUNCHER_PACKAGES.get(plugin[1])
        message += f" It comes with: pip install {package}" if package else ""
    for pattern, rephrased in _REPHRASED.items():
        message = re.sub(pattern, rephrased, message)
    return f"{message} {_suggest(unknown)}" if unknown else message.strip()


def _explain_option(group: str, name: str, listed: str) -> str:
    options = in_order(listed.split())
    close = difflib.get_close_matches(name.lower(), options, n=1)
    hint = f" Did you mean {group}={close[0]}?" if close and not name.isdigit() else ""
    return f"There is no {group}={name}; there are {', '.join(options)}.{hint}"


def _suggest(key: str) -> str:
    end = key.rpartition(".")[2]
    if end in SYNONYMS:
        return f"Did you mean '{SYNONYMS[end]}'?"
    full = [*keys(Config), *keys(StudySweeperConf, "hydra.sweeper.")]
    names = {name.rpartition(".")[2]: name for name in reversed(full)}
    names |= {name: name for name in (*full, *ALIASES, *GROUPS)}
    close = difflib.get_close_matches(key, names, n=1) or difflib.get_close_matches(end, names, n=1)
    return f"Did you mean '{names[close[0]]}'?" if close else "All keys: python run.py --help"
