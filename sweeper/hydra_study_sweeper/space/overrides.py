"""The overrides of a sweep, taken apart: which studies they ask for, and what is searched."""

import itertools
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from hydra_study_sweeper.errors import ConfigError


@dataclass(frozen=True)
class Definition:
    """How a dimension was written.

    Attributes:
        space: Its values in Hydra's sweep syntax.
        when: The condition under which it is part of a trial, as it was written.
        prefix: What its overrides begin with: `+`, `++` or nothing.
    """

    space: object
    when: Mapping[str, Any] = field(default_factory=dict)
    prefix: str = ""


@dataclass(frozen=True)
class Sweep:
    """The overrides of a sweep, taken apart.

    Attributes:
        studies: Overrides of each study: one for every combination of choices that make studies
            of their own, with all fixed overrides.
        dimensions: What is searched, by key.
        taken: Keys that the command line sets, or that make studies of their own.
    """

    studies: list[list[str]]
    dimensions: dict[str, Definition]
    taken: set[str]


def definitions_of(params: Any) -> dict[str, Definition]:
    """Reads the sweeper's `params`: a definition, or `{when: ..., space: ...}`, by key.

    Keys may be written as `a.b: ...` or as nested mappings, which the command line makes.

    Raises:
        ConfigError: If a mapping has something else.
    """
    definitions: dict[str, Definition] = {}
    for written, given in _flat(params):
        key = plain(written)
        prefix = _prefix(written)
        if not isinstance(given, Mapping):
            definitions[key] = Definition(given, prefix=prefix)
        elif set(given) != {"when", "space"}:
            raise ConfigError(
                f"search space: {key}: a mapping has 'when' and 'space'; "
                f"this one has {', '.join(map(repr, given)) or 'nothing'}"
            )
        elif not isinstance(given["when"], Mapping) or not given["when"]:
            raise ConfigError(
                f"search space: {key}: when: {given['when']} is not a mapping of keys"
            )
        else:
            when = {plain(str(name)): values for name, values in given["when"].items()}
            definitions[key] = Definition(given["space"], when, prefix)
    return definitions


def _flat(params: Any, above: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in params.items():
        if isinstance(value, Mapping) and not {"when", "space"} & set(value):
            found += _flat(value, f"{above}{name}.")
        elif value is not None:
            found.append((f"{above}{name}", value))
    return found


def plain(key: str) -> str:
    """Returns a key without the prefix that adds it or deletes it."""
    return key.lstrip("+~")


def key_of(override: str) -> str:
    """Returns the key or the config group that an override sets or deletes."""
    return plain(override.partition("=")[0])


def take_apart(
    overrides: Sequence[str],
    params: Mapping[str, Definition],
    separate: Set[str],
    loader: ConfigLoader | None = None,
) -> Sweep:
    """Sorts what a sweep is asked for. Of several overrides of a key the last one counts.

    Args:
        overrides: As they are on the command line.
        params: What the configuration searches, of which only `separate` keys count here.
        separate: Keys and config groups whose choices make studies of their own.
        loader: Hydra's, which knows the options that a `glob(...)` means.

    Raises:
        ConfigError: If something cannot be parsed.
    """
    fixed: list[str] = []
    searched: dict[str, Override] = {}
    parsed = [parse_override(override, loader) for override in overrides]
    for override in parsed:
        key = plain(override.get_key_element())
        if override.is_sweep_override():
            searched[key] = override
        else:
            fixed.append(str(override.input_line))
            searched.pop(key, None)
    taken = {plain(override.get_key_element()) for override in parsed} - searched.keys()
    for key in (key for key in params if key in separate and key not in taken | searched.keys()):
        searched[key] = parse_sweep(f"{params[key].prefix}{key}", params[key].space, loader)
    for key, override in searched.items():
        if key in separate and override.is_interval_sweep():
            raise ConfigError(
                f"{override.input_line}: each value makes a study of its own, "
                "so it needs choice(...)"
            )
    choices = [
        [f"{override.get_key_element()}={text}" for text in override.sweep_string_iterator()]
        for key, override in searched.items()
        if key in separate
    ]
    dimensions = {
        key: Definition(
            str(override.input_line).split("=", 1)[1], prefix=_prefix(override.get_key_element())
        )
        for key, override in searched.items()
        if key not in separate
    }
    studies = [[*fixed, *combination] for combination in itertools.product(*choices)]
    return Sweep(studies, dimensions, taken | separate)


def _prefix(written: str) -> str:
    return written[: len(written) - len(plain(written))]


def parse_override(override: str, loader: ConfigLoader | None = None) -> Override:
    """Parses one override.

    Raises:
        ConfigError: If it cannot be parsed.
    """
    try:
        parsed = OverridesParser.create().parse_override(override)
        parsed.config_loader = loader
        return parsed
    except HydraException as error:
        detail = str(error).splitlines()[0]
        raise ConfigError(f"search space: {override} cannot be parsed: {detail}") from error


def parse_sweep(key: str, definition: object, loader: ConfigLoader | None = None) -> Override:
    """Parses what a search space has for a key.

    Raises:
        ConfigError: If it cannot be parsed, or is no sweep.
    """
    override = parse_override(f"{key}={definition}", loader)
    if not override.is_sweep_override():
        raise ConfigError(
            f"search space: {key}: {definition} is one value, nothing to search; "
            "write choice(...), range(...) or interval(...), or set it as a plain key"
        )
    return override
