"""The overrides of a sweep, taken apart: which studies they ask for, and what is searched."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from hydra_study_sweeper.errors import ConfigError


@dataclass(frozen=True)
class Sweep:
    """The overrides of a sweep, taken apart.

    Attributes:
        studies: Overrides of each study: one for every combination of the choices over config
            groups, with all fixed overrides.
        dimensions: What the command line searches: definitions by key.
        fixed: Keys that the command line sets to one value.
    """

    studies: list[list[str]]
    dimensions: dict[str, str]
    fixed: set[str]


def take_apart(
    overrides: Sequence[str], params: Mapping[str, Any], is_group: Callable[[str], bool]
) -> Sweep:
    """Sorts what a sweep is asked for.

    Args:
        overrides: As they are on the command line.
        params: The sweeper's `params`, of which only choices over config groups count here.
        is_group: Whether a key is a config group.

    Raises:
        ConfigError: If something cannot be parsed.
    """
    parsed = [parse_override(override) for override in overrides]
    on_command_line = {override.get_key_element() for override in parsed}
    for key, definition in params.items():
        if is_group(key) and key not in on_command_line:
            parsed.append(parse_override(f"{key}={definition}"))
    fixed: list[str] = []
    choices: list[list[str]] = []
    dimensions: dict[str, str] = {}
    for override in parsed:
        line, key = str(override.input_line), override.get_key_element()
        if not override.is_sweep_override():
            fixed.append(line)
        elif is_group(override.key_or_group):
            choices.append([f"{key}={name}" for name in override.sweep_string_iterator()])
        else:
            dimensions[key] = line.split("=", 1)[1]
    studies = [[*fixed, *combination] for combination in itertools.product(*choices)]
    return Sweep(studies, dimensions, {parse_override(line).key_or_group for line in fixed})


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
