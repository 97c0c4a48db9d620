"""Values of a configuration, compared after OmegaConf has converted them, never by their spelling.

The override `color=RED` gives `Color.RED` where the schema has an Enum, `size=1` gives `"1"` where
it has a string, and `${size}` gives whatever that key has.
"""

import copy
import math
from functools import lru_cache
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hydra_study_sweeper.records import Value
from hydra_study_sweeper.space.overrides import parse_override


def value_at(config: DictConfig, key: str, default: Any = None) -> Any:
    """Returns the resolved value of a key; lists and mappings as Python's own."""
    value = OmegaConf.select(config, key, default=default)
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def option_of(config: DictConfig, group: str) -> Any:
    """Returns the option of a config group that a configuration was composed with, if any."""
    choices = config.hydra.runtime.choices
    return choices.get(group)


def would_stay(config: DictConfig, key: str, value: Any) -> bool:
    """Returns whether a key has a value already, in whatever way that is written.

    Raises:
        OmegaConfBaseException: If the value does not fit the key, so that it can never have it.
    """
    present = value_at(config, key)
    if same(present, value):
        return True
    changed = copy.deepcopy(config)
    OmegaConf.update(changed, key, value)  # as Hydra does for an override
    return same(present, value_at(changed, key))


def same(one: Any, other: Any) -> bool:
    """Returns whether two values are the same in a configuration, where 1 is 1.0, but not true."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


@lru_cache(maxsize=1024, typed=True)  # 1 is not True
def meant(written: Value) -> Any:
    """Returns what a value means that is written as on a command line."""
    if not isinstance(written, str):
        return written
    return parse_override(f"key={written}").value()


def has_value(config: DictConfig, key: str, value: Any) -> bool:
    """Does what `would_stay` does; a value that does not fit is one that the key does not have."""
    try:
        return would_stay(config, key, value)
    except OmegaConfBaseException:
        return False
