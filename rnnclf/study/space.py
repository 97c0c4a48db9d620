"""Search spaces: their dimensions, conditions between them, and points in them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import optuna
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.errors import HydraException
from hydra_plugins.hydra_optuna_sweeper._impl import create_optuna_distribution_from_override
from omegaconf import DictConfig, OmegaConf
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from rnnclf.errors import ConfigError
from rnnclf.study.arguments import parse_override

Value = str | int | float | bool | None


@dataclass(frozen=True)
class Dimension:
    """Something that is searched.

    Attributes:
        key: The key of the configuration.
        distribution: Its values.
        when: It is part of a trial only if each of these keys has one of its values.
    """

    key: str
    distribution: BaseDistribution
    when: Mapping[str, Sequence[Value]] = field(default_factory=dict)

    def applies(self, chosen: Mapping[str, Value]) -> bool:
        """Tells whether the values chosen so far make this dimension part of the trial."""
        return all(chosen.get(key) in values for key, values in self.when.items())

    def contains(self, value: Any) -> bool:
        """Tells whether `value` is one of its values."""
        try:
            return self.distribution._contains(self.distribution.to_internal_repr(value))
        except (ValueError, TypeError):
            return False

    def member(self, value: Any) -> Value:
        """Returns a configuration's value as this dimension has it, quoted where choices are.

        Raises:
            ValueError: If it is none of its values.
        """
        spellings = [value, "null" if value is None else value]
        spellings += [QuotedString(str(value), quote).with_quotes() for quote in Quote]
        for spelling in spellings:
            if self.contains(spelling):
                return cast(Value, spelling)
        raise ValueError(f"{self.key}={value} is not in {self}")

    def is_spelling(self, chosen: Value, value: Any) -> bool:
        """Tells whether a configuration's value is what `chosen`, one of its values, stands for."""
        try:
            return self.member(value) == chosen
        except ValueError:
            return False

    def __str__(self) -> str:
        """Says in one line what it may be."""
        if isinstance(self.distribution, CategoricalDistribution):
            text = ", ".join(map(str, self.distribution.choices))
        else:
            assert isinstance(self.distribution, (FloatDistribution, IntDistribution))
            log = ", log" if self.distribution.log else ""
            step = self.distribution.step
            text = f"{self.distribution.low:g} to {self.distribution.high:g}{log}"
            text += f", step {step:g}" if step not in (None, 1) else ""
        conditions = [f"{key} is {' or '.join(map(str, v))}" for key, v in self.when.items()]
        return f"{text} (when {' and '.join(conditions)})" if conditions else text


def parse_space(space: Mapping[str, Any]) -> list[Dimension]:
    """Turns a search space in Hydra's sweep syntax into Optuna's distributions.

    Args:
        space: By key: `choice(...)`, `range(...)`, `interval(...)`, `tag(log, interval(...))`,
            values with commas, or a mapping with such a definition as `space` and a mapping of
            keys above to values as `when`.

    Raises:
        ConfigError: If a definition cannot be parsed, has nothing to choose from, or depends on
            something that is not above it.
    """
    dimensions: dict[str, Dimension] = {}
    for key, definition in space.items():
        if isinstance(definition, Mapping):
            if set(definition) != {"when", "space"}:
                raise ConfigError(
                    f"search space: {key}: a mapping has 'when' and 'space'; "
                    f"this one has {', '.join(map(repr, definition)) or 'nothing'}"
                )
            when = _conditions(key, definition["when"], dimensions)
            dimensions[key] = Dimension(key, _distribution(key, definition["space"]), when)
        else:
            dimensions[key] = Dimension(key, _distribution(key, definition))
    return list(dimensions.values())


def settle_conditions(space: Mapping[str, Any], config: DictConfig) -> dict[str, Any]:
    """Decides conditions on keys that are not searched: they hold always, or never.

    Args:
        space: As for `parse_space`.
        config: Has the values of the keys that are not searched.

    Returns:
        The space without dimensions that never apply, and without conditions that always hold.

    Raises:
        ConfigError: If a condition names no key.
    """
    settled: dict[str, Any] = {}
    for key, definition in space.items():
        conditions = definition.get("when") if isinstance(definition, Mapping) else None
        if not isinstance(conditions, Mapping):
            settled[key] = definition
            continue
        decided = {
            name: _holds(key, name, conditions, config) for name in conditions.keys() - space
        }
        if not all(decided.values()):
            continue
        rest = {name: values for name, values in conditions.items() if name not in decided}
        settled[key] = {**definition, "when": rest} if rest else definition["space"]
    return settled


def _holds(key: str, name: str, conditions: Mapping[str, Any], config: DictConfig) -> bool:
    value = OmegaConf.select(config, name)
    if value is None:
        raise ConfigError(f"search space: {key} depends on {name}, which is no key")
    values = conditions[name]
    return value in (values if isinstance(values, list) else [values])


def _conditions(
    key: str, conditions: Any, above: Mapping[str, Dimension]
) -> dict[str, Sequence[Value]]:
    if not isinstance(conditions, Mapping) or not conditions:
        raise ConfigError(f"search space: {key}: when: {conditions} is not a mapping of keys")
    checked: dict[str, Sequence[Value]] = {}
    for name, values in conditions.items():
        if name not in above:
            raise ConfigError(
                f"search space: {key} depends on {name}, which is not a dimension above it"
            )
        listed = (
            values if isinstance(values, Sequence) and not isinstance(values, str) else [values]
        )
        try:
            checked[name] = [above[name].member(value) for value in listed]
        except ValueError as error:
            raise ConfigError(f"search space: {key}: when: {error}") from error
    return checked


def _distribution(key: str, definition: object) -> BaseDistribution:
    where = f"search space: {key}: {definition}"
    override = parse_override(f"{key}={definition}")
    if not override.is_sweep_override():
        raise ConfigError(
            f"{where} is one value, nothing to search; "
            "write choice(...), range(...) or interval(...), or set it as a plain key"
        )
    try:
        if override.is_choice_sweep():
            choices = [_as_written(choice) for choice in override.sweep_iterator(lambda x: x)]
            distribution = CategoricalDistribution(choices)
        else:
            distribution = create_optuna_distribution_from_override(override)
    except (ValueError, AssertionError, TypeError, NotImplementedError, HydraException) as error:
        raise ConfigError(f"{where}: {error}") from error
    if isinstance(distribution, CategoricalDistribution):
        if len(set(distribution.choices)) < len(distribution.choices):
            raise ConfigError(f"{where}: a choice is there twice")
    elif isinstance(distribution, FloatDistribution) and not (
        math.isfinite(distribution.low) and math.isfinite(distribution.high)
    ):
        raise ConfigError(f"{where}: a bound is not finite")
    assert isinstance(distribution, BaseDistribution), "it is a sweep override"
    return distribution


def _as_written(choice: Any) -> Value:
    """Returns a choice as it must stand on a command line: a string quoted if it has to be."""
    if not isinstance(choice, str):
        number = isinstance(choice, int | float | bool)
        return choice if number else str(Override._get_value_element_as_str(choice))
    try:
        if OverridesParser.create().parse_override(f"key={choice}").value() == choice:
            return choice
    except HydraException:
        pass
    return QuotedString(choice, Quote.single).with_quotes()


def suggest(trial: optuna.trial.BaseTrial, dimensions: Sequence[Dimension]) -> dict[str, Value]:
    """Asks the trial for its value of each dimension that applies."""
    chosen: dict[str, Value] = {}
    for dimension in dimensions:
        if dimension.applies(chosen):
            chosen[dimension.key] = _suggest_one(trial, dimension.key, dimension.distribution)
    return chosen


def _suggest_one(trial: optuna.trial.BaseTrial, key: str, distribution: BaseDistribution) -> Value:
    if isinstance(distribution, FloatDistribution):
        return trial.suggest_float(
            key, distribution.low, distribution.high, step=distribution.step, log=distribution.log
        )
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(
            key, distribution.low, distribution.high, step=distribution.step, log=distribution.log
        )
    assert isinstance(distribution, CategoricalDistribution), "Optuna has no further kinds"
    value: Value = trial.suggest_categorical(key, distribution.choices)
    return value


def as_overrides(chosen: Mapping[str, Value]) -> list[str]:
    """Writes chosen values as overrides; strings are quoted already where they must be."""
    return [f"{key}={value}" for key, value in chosen.items()]


def every_choice(dimensions: Sequence[Dimension]) -> list[dict[str, Value]]:
    """Returns points that together have each choice and each bound at least once."""
    columns = {dimension.key: _corners(dimension.distribution) for dimension in dimensions}
    rows = max((len(values) for values in columns.values()), default=1)
    points = []
    for row in range(rows):
        point: dict[str, Value] = {}
        for dimension in dimensions:
            if dimension.applies(point):
                values = columns[dimension.key]
                point[dimension.key] = values[row % len(values)]
        points.append(point)
    return points


def all_points(dimensions: Sequence[Dimension]) -> list[dict[str, Value]]:
    """Returns the whole grid.

    Raises:
        ConfigError: If a dimension is continuous.
    """
    points: list[dict[str, Value]] = [{}]
    for dimension in dimensions:
        values = _grid(dimension)
        extended: list[dict[str, Value]] = []
        for point in points:
            if dimension.applies(point):
                extended += [point | {dimension.key: value} for value in values]
            else:
                extended.append(point)
        points = extended
    return points


def _corners(distribution: BaseDistribution) -> Sequence[Value]:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    return (distribution.low, distribution.high)


def _grid(dimension: Dimension) -> Sequence[Value]:
    distribution = dimension.distribution
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    if isinstance(distribution, IntDistribution) and not distribution.log:
        return range(distribution.low, distribution.high + 1, distribution.step)
    if isinstance(distribution, FloatDistribution) and distribution.step is not None:
        steps = round((distribution.high - distribution.low) / distribution.step)
        return [distribution.low + i * distribution.step for i in range(steps + 1)]
    raise ConfigError(
        f"the grid sampler needs choices, but {dimension.key} is {dimension}; "
        "write choice(...) or range(...)"
    )
