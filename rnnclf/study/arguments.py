"""What the arguments of a sweep ask for: which studies, and what they search."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from rnnclf.errors import ConfigError


@dataclass(frozen=True)
class Sweep:
    """The overrides of a sweep, taken apart.

    Attributes:
        studies: Overrides of each study: one for every combination of the choices over config
            groups, with all fixed overrides.
        dimensions: Definitions on the command line of what is searched, by key.
        fixed: Keys that the command line sets to one value.
        groups: Config groups with a choice over them.
    """

    studies: list[list[str]]
    dimensions: dict[str, str]
    fixed: set[str]
    groups: set[str]


def take_apart(
    arguments: Sequence[str], params: Mapping[str, Any], is_group: Callable[[str], bool]
) -> Sweep:
    """Sorts what a sweep is asked for.

    Args:
        arguments: Overrides as they are on the command line.
        params: The sweeper's `params`, of which only choices over config groups count here.
        is_group: Whether a key is a config group.

    Raises:
        ConfigError: If something cannot be parsed.
    """
    overrides = [parse_override(argument) for argument in arguments]
    on_command_line = {override.get_key_element() for override in overrides}
    for key, definition in params.items():
        if is_group(key) and key not in on_command_line:
            overrides.append(parse_override(f"{key}={definition}"))
    fixed: list[str] = []
    choices: list[list[str]] = []
    dimensions: dict[str, str] = {}
    groups = {o.key_or_group for o in overrides if is_group(o.key_or_group)}
    for override in overrides:
        line, key = str(override.input_line), override.get_key_element()
        if not override.is_sweep_override():
            fixed.append(line)
        elif override.key_or_group in groups:
            choices.append([f"{key}={name}" for name in override.sweep_string_iterator()])
        else:
            dimensions[key] = line.split("=", 1)[1]
    studies = [[*fixed, *combination] for combination in itertools.product(*choices)]
    fixed_keys = {parse_override(line).key_or_group for line in fixed}
    return Sweep(studies, dimensions, fixed_keys, groups)


def parse_override(override: str) -> Override:
    """Parses one override.

    Raises:
        ConfigError: If it cannot be parsed.
    """
    try:
        return OverridesParser.create().parse_override(override)
    except HydraException as error:
        detail = str(error).splitlines()[0]
        raise ConfigError(f"search space: {override} cannot be parsed: {detail}") from error
