"""What makes a study the same study: its space, its fixed configuration, and facts of its data."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from rnnclf.study.repeats import Repeats
from rnnclf.study.space import Dimension

NULL = "None"  # a key that is null is like one that an earlier version did not have
Definition = dict[str, dict[str, str]]


def define(
    config: DictConfig,
    dimensions: Sequence[Dimension],
    directions: Sequence[str],
    ignore: Sequence[str],
    facts: Mapping[str, str],
    repeats: Repeats,
) -> Definition:
    """Describes a study so that a later start can be compared with it.

    Args:
        config: The composed configuration, with defaults where a dimension is searched.
        dimensions: What is searched.
        directions: Of the objectives.
        ignore: Keys, or beginnings of keys, that do not change results.
        facts: What the application says of its data.
        repeats: How often a trial is run.

    Returns:
        Texts by name in the parts `search space`, `configuration`, `data` and `direction`.
    """
    searched = {dimension.key for dimension in dimensions}
    fixed = {
        key: value
        for key, value in flatten(OmegaConf.to_container(config))
        if key not in searched and not is_below(key, ["hydra", *ignore])
    }
    if repeats.count > 1:
        fixed["hydra.sweeper.repeats"] = f"{repeats.count} with {', '.join(repeats.overrides)}"
    return {
        "search space": {dimension.key: str(dimension) for dimension in dimensions},
        "configuration": fixed,
        "data": dict(facts),
        "direction": {str(number): direction for number, direction in enumerate(directions)},
    }


def differences(old: Definition, new: Definition) -> list[str]:
    """Names what differs between two definitions, each in one phrase."""
    found = []
    for part in new:
        before, now = old.get(part, {}), new[part]
        for key in [*before, *(key for key in now if key not in before)]:
            if before.get(key, NULL) != now.get(key, NULL):
                was, becomes = before.get(key, "not there"), now.get(key, "not there")
                found.append(f"{part}: {key} was {was} and is {becomes}")
    return found


def is_below(key: str, parents: Sequence[str]) -> bool:
    """Tells whether a key is one of `parents` or below one."""
    return any(key == parent or key.startswith(f"{parent}.") for parent in parents)


def flatten(node: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yields the full names and values of a nested mapping; lists are values."""
    if isinstance(node, Mapping) and (node or not prefix):
        for name, value in node.items():
            yield from flatten(value, f"{prefix}.{name}" if prefix else str(name))
    else:
        yield prefix, str(node)
