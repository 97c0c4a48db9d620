"""The dimensions of a search space: what is searched, and under which conditions."""

import contextlib
import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from hydra_study_sweeper.errors import ConfigError
from hydra_study_sweeper.records import Value
from hydra_study_sweeper.space.distributions import bounds, parse_distribution
from hydra_study_sweeper.space.overrides import Definition
from hydra_study_sweeper.space.values import (
    has_value,
    meant,
    option_of,
    same,
    value_at,
    would_stay,
)


@dataclass(frozen=True)
class Dimension:
    """Something that is searched.

    Attributes:
        key: The key of the configuration, or the config group.
        distribution: Its values, written as on a command line.
        when: It is part of a trial only if each of these keys has one of its values.
        prefix: What its overrides begin with: `+`, `++` or nothing.
        is_group: Whether it chooses an option of a config group.
    """

    key: str
    distribution: BaseDistribution
    when: Mapping[str, Sequence[Value]] = field(default_factory=dict)
    prefix: str = ""
    is_group: bool = False

    def applies(self, chosen: Mapping[str, Value]) -> bool:
        """Returns whether the values chosen so far make this dimension part of the trial."""
        return all(chosen.get(key) in values for key, values in self.when.items())

    def override(self, value: Value) -> str:
        """Returns the override that sets it."""
        return f"{self.prefix}{self.key}={'null' if value is None else value}"

    def value_in(self, config: DictConfig) -> Any:
        """Returns what a composed configuration has for it; None if it has nothing."""
        if self.is_group:
            return option_of(config, self.key)
        return value_at(config, self.key)

    def has(self, value: Value, config: DictConfig) -> bool:
        """Returns whether a configuration has what the override with a value gives."""
        if self.is_group:
            # Hydra does not note several options that are chosen together.
            are_several = isinstance(meant(value), list)
            return are_several or str(meant(value)) == str(self.value_in(config))
        return has_value(config, self.key, meant(value))

    def member_in(self, config: DictConfig) -> Value:
        """Returns which of its values a configuration has.

        Raises:
            ValueError: If it is none of its values.
        """
        present = self.value_in(config)
        candidates = self._candidates(present)
        found = [value for value in candidates if same(present, meant(value))]
        if not found and not self.is_group:  # each is set in a copy, which takes its time
            found = [value for value in candidates if self.has(value, config)]
        if found:
            return found[0]
        raise ValueError(f"{self.key}={present} is not in {self}")

    def member(self, value: Any, config: DictConfig) -> Value:
        """Returns which of its values gives the same as `value`, once it is set.

        Args:
            value: As in a YAML file, or as on a command line.
            config: Where it would be set.

        Raises:
            ValueError: If none of them does.
        """
        for one in self._candidates(value):
            if self._is_written(one, value):
                return one
        with contextlib.suppress(OmegaConfBaseException):  # then the key can never have it
            if not self.is_group:
                changed = copy.deepcopy(config)
                OmegaConf.update(changed, self.key, value, force_add=bool(self.prefix))
                return self.member_in(changed)
        raise ValueError(f"{self.key}={value} is not in {self}")

    def contains(self, value: Value) -> bool:
        """Returns whether it has a value, as a trial has it."""
        return value in self._candidates(value)

    def _is_written(self, one: Value, value: Any) -> bool:
        if self.is_group:
            return str(meant(one)) == str(value)
        return same(value, meant(one)) or (isinstance(value, str) and value == one)

    def _candidates(self, value: Any) -> Sequence[Value]:
        """Returns those of its values that may be what a configuration has as `value`."""
        if isinstance(self.distribution, CategoricalDistribution):
            return self.distribution.choices
        is_whole = isinstance(self.distribution, IntDistribution)
        try:
            number = int(value) if is_whole else float(value)
        except (TypeError, ValueError, OverflowError):
            return ()
        low, high, step = bounds(self.distribution)
        steps = 0.0 if step is None else (number - low) / step
        return (number,) if low <= number <= high and abs(steps - round(steps)) < 1e-8 else ()

    def __str__(self) -> str:
        """Says in one line what it may be."""
        if isinstance(self.distribution, CategoricalDistribution):
            text = ", ".join(map(str, self.distribution.choices))
        else:
            low, high, step = bounds(self.distribution)
            log = getattr(self.distribution, "log", False)
            text = f"{low:g} to {high:g}{', log' if log else ''}"
            text += f", step {step:g}" if step not in (None, 1) else ""
        conditions = [f"{key} is {' or '.join(map(str, v))}" for key, v in self.when.items()]
        return f"{text} (when {' and '.join(conditions)})" if conditions else text


Configured = Callable[[Sequence[str]], DictConfig]
"""Gives the configuration without the values of dimensions, for some overrides of config groups.

It must not be changed.
"""


def parse_space(
    definitions: Mapping[str, Definition],
    configured: Configured,
    loader: ConfigLoader | None = None,
) -> list[Dimension]:
    """Turns definitions into dimensions: config groups first, each after those it depends on.

    Args:
        definitions: By key.
        configured: Composes the configuration in which values and conditions are looked up.
        loader: Hydra's, which knows the config groups.

    Raises:
        ConfigError: If a definition cannot be parsed, has nothing to choose from, or has a
            condition that can never hold.
    """
    return _Parser(definitions, configured, loader).parse()


@dataclass
class _Parser:
    definitions: Mapping[str, Definition]
    configured: Configured
    loader: ConfigLoader | None
    dimensions: dict[str, Dimension] = field(default_factory=dict)
    # By dimension, overrides of groups under which it is part of a trial.
    homes: dict[str, dict[str, str]] = field(default_factory=dict)

    def parse(self) -> list[Dimension]:
        for key in self._ordered():
            definition = self.definitions[key]
            try:
                when = self._conditions(definition.when)
            except (ValueError, OmegaConfBaseException) as error:
                reason = str(error).splitlines()[0]
                raise ConfigError(f"search space: {key}: when: {reason}") from error
            if when is None:
                continue
            distribution = parse_distribution(key, definition.space, self.loader)
            self.dimensions[key] = Dimension(
                key, distribution, when, definition.prefix, bool(self._options(key))
            )
            self.homes[key] = self._home(when)
        return list(self.dimensions.values())

    def _ordered(self) -> Iterator[str]:
        done: set[str] = set()

        def following(key: str, above: tuple[str, ...] = ()) -> Iterator[str]:
            if key in above:
                raise ConfigError(f"search space: {key}: when: {key} depends on itself")
            for name in self.definitions[key].when:
                if name in self.definitions:
                    yield from following(name, (*above, key))
            if key not in done:
                done.add(key)
                yield key

        for key in sorted(self.definitions, key=lambda key: not self._options(key)):
            yield from following(key)

    def _options(self, key: str) -> list[str]:
        """Returns the options of a config group; nothing if the key is none."""
        return self.loader.get_group_options(key.partition("@")[0]) if self.loader else []

    def _conditions(self, when: Mapping[str, Any]) -> dict[str, Sequence[Value]] | None:
        """Returns the conditions on dimensions; None if one on something else does not hold.

        Raises:
            ValueError: If one can never hold, or names no key.
        """
        listed = {name: v if isinstance(v, list | tuple) else [v] for name, v in when.items()}
        of_dimensions: dict[str, Sequence[Value]] = {}
        for name in listed.keys() & self.dimensions.keys():
            dimension = self.dimensions[name]
            config = self.configured(list(self.homes[name].values()))
            of_dimensions[name] = [dimension.member(value, config) for value in listed[name]]
        others = listed.keys() - self.dimensions.keys()
        home = self._home(of_dimensions)
        # Each is looked at, so that one that can never hold is found.
        hold = [self._holds(name, listed[name], home) for name in sorted(others)]
        return of_dimensions if all(hold) else None

    def _home(self, when: Mapping[str, Sequence[Value]]) -> dict[str, str]:
        home: dict[str, str] = {}
        for name, values in when.items():
            home |= self.homes[name]
            if self.dimensions[name].is_group:
                home[name] = self.dimensions[name].override(values[0])
        return home

    def _holds(self, name: str, values: Sequence[Any], home: Mapping[str, str]) -> bool:
        """Returns whether a key that is not searched has one of some values."""
        if name in self.definitions:
            return False  # its own condition does not hold
        options = self._options(name)
        if options:
            for value in values:
                if value is not None and str(value) not in options:
                    raise ValueError(f"{name} has no option {value}, only {', '.join(options)}")
            return str(option_of(self.configured(()), name)) in map(str, values)
        found = {_has_one(config, name, values) for config in self._for_each_option(home)}
        if len(found) > 1:
            raise ValueError(f"{name} depends on a config group that is searched; name that group")
        return found.pop()

    def _for_each_option(self, home: Mapping[str, str]) -> Iterator[DictConfig]:
        """Yields configurations with each option of each group that is searched beside `home`."""
        yield self.configured(list(home.values()))
        for key, dimension in self.dimensions.items():
            if dimension.is_group and key not in home and not dimension.when:
                for value in getattr(dimension.distribution, "choices", ()):
                    yield self.configured([*home.values(), dimension.override(value)])


def _has_one(config: DictConfig, key: str, values: Sequence[Any]) -> bool:
    if value_at(config, key, ...) is ...:
        raise ValueError(f"{key} is no key")
    found = [would_stay(config, key, value) for value in values]  # each of them must fit
    return any(found)
