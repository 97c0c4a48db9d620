"""The dimensions of a search space: what can be written, and what it becomes in Optuna."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    IntervalSweep,
    Override,
    Quote,
    QuotedString,
    RangeSweep,
)
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from hydra_study_sweeper.errors import ConfigError
from hydra_study_sweeper.records import Value
from hydra_study_sweeper.space.overrides import parse_override


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
        if isinstance(self.distribution, CategoricalDistribution):
            # True == 1 in Python, but not in a configuration.
            return any(
                value == choice and isinstance(value, bool) == isinstance(choice, bool)
                for choice in self.distribution.choices
            )
        low, high, step = _bounds(self.distribution)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if isinstance(self.distribution, IntDistribution) and value != int(value):
            return False
        steps = 0.0 if step is None else (value - low) / step
        return low <= value <= high and abs(steps - round(steps)) < 1e-8

    def member(self, value: Any) -> Value:
        """Returns a configuration's value as this dimension has it, quoted where choices are.

        Raises:
            ValueError: If it is none of its values.
        """
        forms = [value, "null" if value is None else value]
        forms += [QuotedString(str(value), quote).with_quotes() for quote in Quote]
        for form in forms:
            if self.contains(form):
                return cast(Value, form)
        raise ValueError(f"{self.key}={value} is not in {self}")

    def __str__(self) -> str:
        """Says in one line what it may be."""
        if isinstance(self.distribution, CategoricalDistribution):
            text = ", ".join(map(str, self.distribution.choices))
        else:
            low, high, step = _bounds(self.distribution)
            log = getattr(self.distribution, "log", False)
            text = f"{low:g} to {high:g}{', log' if log else ''}"
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
        listed = values if isinstance(values, list | tuple) else [values]
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
        return _distribution_of(override)
    except (ValueError, AssertionError, TypeError, HydraException) as error:
        raise ConfigError(f"{where}: {error}") from error


def _distribution_of(override: Override) -> BaseDistribution:
    """Turns a sweep override into Optuna's distribution of the same values."""
    sweep = override.value()
    if isinstance(sweep, IntervalSweep):
        return _interval(sweep)
    if isinstance(sweep, RangeSweep) and not sweep.shuffle and not sweep.transformers:
        return _range(sweep)
    written = zip(override.sweep_iterator(), override.sweep_string_iterator(), strict=True)
    choices = [_as_written(choice, text) for choice, text in written]
    if len(set(choices)) < len(choices):
        raise ValueError("a choice is there twice")
    return CategoricalDistribution(choices)


def _interval(sweep: IntervalSweep) -> BaseDistribution:
    low, high, log = sweep.start, sweep.end, "log" in sweep.tags
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=log)
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError("a bound is not finite")
    return FloatDistribution(low, high, log=log)


def _range(sweep: RangeSweep) -> BaseDistribution:
    """Hydra's ranges leave out their end, Optuna's distributions have it."""
    if sweep.step == 0:
        raise ValueError("a range needs a step that is not 0")
    values = sweep.range()
    if isinstance(values, range):
        if not values:
            raise ValueError("a range must have at least one value")
        low, high = sorted((values[0], values[-1]))
        return IntDistribution(low, high, step=abs(values.step))
    numbers = list(values)
    if not numbers:
        raise ValueError("a range must have at least one value")
    return FloatDistribution(min(numbers), max(numbers), step=abs(float(sweep.step)))


def _as_written(choice: Any, text: str) -> Value:
    """Returns a choice as it must be on a command line: a string quoted if it has to be."""
    if isinstance(choice, int | float):
        return choice
    if not isinstance(choice, str):
        return text
    try:
        if OverridesParser.create().parse_override(f"key={choice}").value() == choice:
            return choice
    except HydraException:
        pass
    return QuotedString(choice, Quote.single).with_quotes()


def _bounds(distribution: BaseDistribution) -> tuple[float, float, float | None]:
    assert isinstance(distribution, FloatDistribution | IntDistribution), "Optuna has no more kinds"
    return distribution.low, distribution.high, distribution.step
