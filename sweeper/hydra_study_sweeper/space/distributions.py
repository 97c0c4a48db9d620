"""Hydra's sweep syntax as Optuna's distributions."""

import math
from fractions import Fraction
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    IntervalSweep,
    Override,
    Quote,
    QuotedString,
    RangeSweep,
)
from hydra.errors import HydraException
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from hydra_study_sweeper.errors import ConfigError
from hydra_study_sweeper.records import Value
from hydra_study_sweeper.space.overrides import parse_sweep
from hydra_study_sweeper.versions import is_plain

LOG = "log"  # the tag of an interval that is searched by its logarithm


def parse_distribution(
    key: str, definition: object, loader: ConfigLoader | None = None
) -> BaseDistribution:
    """Turns a definition into a distribution of the same values.

    Args:
        key: What it is for.
        definition: `choice(...)`, `range(...)`, `interval(...)`, `glob(...)`, or values with
            commas.
        loader: Hydra's, which knows the options that a `glob(...)` means.

    Raises:
        ConfigError: If it cannot be parsed, or has nothing to choose from.
    """
    override = parse_sweep(key, definition, loader)
    try:
        return _distribution_of(override)
    except (ValueError, AssertionError, TypeError, HydraException) as error:
        raise ConfigError(f"search space: {key}: {definition}: {error}") from error


def _distribution_of(override: Override) -> BaseDistribution:
    sweep = override.value()
    if isinstance(sweep, IntervalSweep):
        return _interval(sweep)
    if isinstance(sweep, RangeSweep) and is_plain(sweep):
        return _range(sweep)
    written = zip(override.sweep_iterator(), override.sweep_string_iterator(), strict=True)
    choices = [_as_written(choice, text) for choice, text in written]
    if {0, 1} & {choice for choice in choices if not isinstance(choice, str | bool)}:
        # For Optuna, as for Python, 1 is True.
        choices = [str(c).lower() if isinstance(c, bool) else c for c in choices]
    if len(set(choices)) < len(choices):
        raise ValueError("a choice is there twice")
    if not choices:
        raise ValueError("there is nothing to choose from")
    return CategoricalDistribution(choices)


def _interval(sweep: IntervalSweep) -> BaseDistribution:
    if unknown := sweep.tags - {LOG}:
        raise ValueError(f"the tag {min(unknown)} is not known; there is {LOG}")
    low, high, log = sweep.start, sweep.end, LOG in sweep.tags
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
    # Counted with the decimals that were written, since sums of floats drift past the end.
    start, stop, step = (Fraction(str(x)) for x in (sweep.start, sweep.stop, sweep.step))
    count = math.ceil((stop - start) / step)
    if count < 1:
        raise ValueError("a range must have at least one value")
    lowest, highest = sorted((float(start), float(start + (count - 1) * step)))
    return FloatDistribution(lowest, highest, step=abs(float(step)))


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


def first_value(distribution: BaseDistribution) -> Value:
    """Returns the first choice, or the lowest number."""
    if isinstance(distribution, CategoricalDistribution):
        choice: Value = distribution.choices[0]
        return choice
    return bounds(distribution)[0]


def bounds(distribution: BaseDistribution) -> tuple[float, float, float | None]:
    """Returns the lowest and highest value of a range of numbers, and its step."""
    assert isinstance(distribution, FloatDistribution | IntDistribution), "Optuna has no more kinds"
    return distribution.low, distribution.high, distribution.step
