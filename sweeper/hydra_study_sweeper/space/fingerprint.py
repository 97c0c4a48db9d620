"""What makes a study the same study: its space, its fixed configuration, and facts of its data."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from omegaconf import DictConfig, OmegaConf

from hydra_study_sweeper.errors import StudyError
from hydra_study_sweeper.space.dimensions import Dimension
from hydra_study_sweeper.space.repeats import Repeats

SPACE, CONFIGURATION = "search space", "configuration"
ATTRIBUTE = "fingerprint"  # of the study in its storage
WITH = " with "  # between a key and the options with which it has another value
Fingerprint = dict[str, dict[str, str]]
"""Texts by name, in the parts `search space`, `configuration`, `data` and `direction`."""


def fingerprint(
    configs: Sequence[tuple[Sequence[str], DictConfig]],
    dimensions: Sequence[Dimension],
    directions: Sequence[str],
    ignore: Sequence[str],
    facts: Mapping[str, str],
    repeats: Repeats,
    custom: str | None = None,
) -> Fingerprint:
    """Describes a study so that a later start can be compared with it.

    Args:
        configs: Choices of config groups and the configurations that they give, with defaults where
            a dimension is searched.
        dimensions: What is searched.
        directions: Of the objectives.
        ignore: Keys, or beginnings of keys, that do not change results.
        facts: What the application says of its data.
        repeats: How often a trial is run.
        custom: The function that suggests further values, if there is one.
    """
    searched = {dimension.key for dimension in dimensions}
    fixed: dict[str, str] = {}
    for groups, config in configs:
        for key, value in _flatten(OmegaConf.to_container(config)):
            if key in searched or is_below(key, ["hydra", *ignore]):
                continue
            if fixed.setdefault(key, value) != value:
                fixed[f"{key}{WITH}{' '.join(groups)}"] = value
    if repeats.count > 1:
        fixed["hydra.sweeper.repeats"] = f"{repeats.count} with {', '.join(repeats.overrides)}"
    space = {dimension.key: str(dimension) for dimension in dimensions}
    return {
        SPACE: space | ({"custom_search_space": custom} if custom else {}),
        CONFIGURATION: fixed,
        "data": dict(facts),
        "direction": {str(number): direction for number, direction in enumerate(directions)},
    }


def fingerprint_of(study: optuna.Study) -> Fingerprint | None:
    """Returns the fingerprint that a study has in its storage; None if it has not begun.

    Raises:
        StudyError: If it is damaged.
    """
    found = study.user_attrs.get(ATTRIBUTE)
    is_mapping = isinstance(found, dict) and all(isinstance(part, dict) for part in found.values())
    if found is not None and not is_mapping:
        raise StudyError(f"the study {study.study_name} has a damaged fingerprint in its storage")
    return found


@dataclass(frozen=True)
class Difference:
    """What differs between two fingerprints.

    Attributes:
        part: The part of the fingerprint.
        key: What differs in it.
        was: What it was; None if it was unset.
        becomes: What it is now.
    """

    part: str
    key: str
    was: str | None
    becomes: str | None

    def __str__(self) -> str:
        """Says so in one phrase."""
        was, becomes = ("unset" if v is None else v for v in (self.was, self.becomes))
        return f"{self.part}: {self.key} was {was} and is {becomes}"

    @property
    def ignorable(self) -> str | None:
        """The key that `hydra.sweeper.ignore` would have to list."""
        is_ours = is_below(self.key, ["hydra"])
        return None if self.part != CONFIGURATION or is_ours else self.key.partition(" ")[0]


def differences(old: Fingerprint, new: Fingerprint, ignore: Sequence[str] = ()) -> list[Difference]:
    """Returns what differs between two fingerprints, except for keys that may change."""
    found = []
    for part in new:
        before, now = old.get(part, {}), new[part]
        for key in [*before, *(key for key in now if key not in before)]:
            difference = Difference(part, key, before.get(key), now.get(key))
            may_change = difference.ignorable and is_below(difference.ignorable, ignore)
            if difference.was != difference.becomes and not may_change:
                found.append(difference)
    return found


def beyond_the_space(
    old: Fingerprint, new: Fingerprint, ignore: Sequence[str] = ()
) -> Difference | None:
    """Returns the first difference that keeps the values of two studies from being compared.

    None if only the values that their dimensions may have differ. An option of a config group that
    only one of them has may bring values of its own.
    """
    for one in differences(old, new, ignore):
        if one.part == SPACE:
            is_same = None not in (one.was, one.becomes)
        else:
            is_same = _is_of_an_option(one, (old if one.was is None else new).get(SPACE, {}))
        if not is_same:
            return one
    return None


def _is_of_an_option(difference: Difference, space: Mapping[str, str]) -> bool:
    """Returns whether something comes with an option that the other study's space lacks."""
    if None not in (difference.was, difference.becomes):
        return False
    choices = (choice.partition("=") for choice in difference.key.partition(WITH)[2].split())
    return any(
        option not in str(space[group]).partition(" (")[0].split(", ")  # any, if damaged
        for group, _, option in choices
        if group in space
    )


def is_below(key: str, parents: Sequence[str]) -> bool:
    """Returns whether a key is one of `parents` or below one."""
    return any(key == parent or key.startswith(f"{parent}.") for parent in parents)


def _flatten(node: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yields the full names and values of a nested mapping; lists are values."""
    if isinstance(node, Mapping) and (node or not prefix):
        for name, value in node.items():
            yield from _flatten(value, f"{prefix}.{name}" if prefix else str(name))
    else:
        yield prefix, str(node)
