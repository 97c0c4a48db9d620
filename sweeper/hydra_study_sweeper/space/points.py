"""Points of a search space: suggested by a sampler, at its corners, on its grid, or asked for."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import optuna
from omegaconf.errors import OmegaConfBaseException
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from hydra_study_sweeper.errors import ConfigError
from hydra_study_sweeper.records import Value
from hydra_study_sweeper.space.dimensions import Configured, Dimension
from hydra_study_sweeper.space.distributions import bounds
from hydra_study_sweeper.space.overrides import plain

Point = dict[str, Value]
"""Values by the keys of dimensions."""

Ask = Callable[[optuna.trial.BaseTrial], Point]
"""Asks a trial for its values."""


def as_overrides(point: Mapping[str, Value], dimensions: Sequence[Dimension]) -> list[str]:
    """Writes a point as overrides; strings are quoted already where they must be."""
    by_key = {dimension.key: dimension for dimension in dimensions}
    return [
        by_key[key].override(value)
        if key in by_key
        else f"{key}={'null' if value is None else value}"
        for key, value in point.items()
    ]


def groups_of(point: Mapping[str, Value], dimensions: Sequence[Dimension]) -> list[str]:
    """Returns the overrides of a point that choose options of config groups."""
    return [
        dimension.override(point[dimension.key])
        for dimension in dimensions
        if dimension.is_group and dimension.key in point
    ]


def suggest(trial: optuna.trial.BaseTrial, dimensions: Sequence[Dimension]) -> Point:
    """Asks the trial for its value of each dimension that applies."""
    point: Point = {}
    for dimension in dimensions:
        if dimension.applies(point):
            point[dimension.key] = _suggest_one(trial, dimension.key, dimension.distribution)
    return point


def _suggest_one(trial: optuna.trial.BaseTrial, key: str, distribution: BaseDistribution) -> Value:
    if isinstance(distribution, CategoricalDistribution):
        value: Value = trial.suggest_categorical(key, distribution.choices)
        return value
    if isinstance(distribution, FloatDistribution):
        return trial.suggest_float(
            key, distribution.low, distribution.high, step=distribution.step, log=distribution.log
        )
    assert isinstance(distribution, IntDistribution), "Optuna has no more kinds"
    return trial.suggest_int(
        key, distribution.low, distribution.high, step=distribution.step, log=distribution.log
    )


def random_points(ask: Ask, count: int) -> list[Point]:
    """Returns random points, which are the same ones each time."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    return [ask(study.ask()) for _ in range(count)]


def decided(ask: Ask, points: Sequence[Point]) -> list[Point]:
    """Returns the points that leave no value to a sampler, without values that do not apply."""
    found = []
    for point in points:
        # A value is missing, or the application's function refuses the others.
        with contextlib.suppress(Exception):
            found.append(ask(optuna.trial.FixedTrial(point)))
    return found


def corners(dimensions: Sequence[Dimension]) -> list[Point]:
    """Returns points that together have each choice and each bound at least once."""
    columns = {dimension.key: _extremes(dimension.distribution) for dimension in dimensions}
    rows = max((len(values) for values in columns.values()), default=1)
    points = []
    for row in range(rows):
        point: Point = {}
        for dimension in dimensions:
            if dimension.applies(point):
                values = columns[dimension.key]
                point[dimension.key] = values[row % len(values)]
        points.append(point)
    return points


def _extremes(distribution: BaseDistribution) -> Sequence[Value]:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    return bounds(distribution)[:2]


def grid(dimensions: Sequence[Dimension]) -> list[Point]:
    """Returns all points.

    Raises:
        ConfigError: If a dimension is continuous.
    """
    points: list[Point] = [{}]
    for dimension in dimensions:
        values = _every_value(dimension)
        extended: list[Point] = []
        for point in points:
            if dimension.applies(point):
                extended += [point | {dimension.key: value} for value in values]
            else:
                extended.append(point)
        points = extended
    return points


def _every_value(dimension: Dimension) -> Sequence[Value]:
    distribution = dimension.distribution
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    if isinstance(distribution, IntDistribution) and not distribution.log:
        return range(distribution.low, distribution.high + 1, distribution.step)
    if isinstance(distribution, FloatDistribution) and distribution.step is not None:
        # In decimals: as sums of floats, the fourth of 0, 0.1, ... is 0.30000000000000004.
        ends = (distribution.low, distribution.high, distribution.step)
        low, high, step = (Fraction(str(number)) for number in ends)
        return [float(low + i * step) for i in range(int((high - low) / step) + 1)]
    raise ConfigError(
        f"the grid sampler needs choices, but {dimension.key} is {dimension}; "
        "write choice(...) or range(...)"
    )


def first_points(
    configured: Configured,
    dimensions: Sequence[Dimension],
    enqueue: Sequence[Mapping[str, Any]],
) -> tuple[list[Point], list[str]]:
    """Returns the points to try first: the defaults, then those that were asked for.

    Args:
        configured: Gives the configuration with the defaults.
        dimensions: What is searched.
        enqueue: The points that were asked for; a key that one leaves out has its default.

    Returns:
        The points, and warnings of defaults that are outside of their dimensions.

    Raises:
        ConfigError: If a point has something that is not searched, or a value that it cannot have.
    """
    defaults = completed({}, configured, dimensions)
    config = configured(groups_of(defaults, dimensions))
    warnings = [
        f"trial 0 has the defaults, but {dimension.key}={dimension.value_in(config)} is outside "
        f"of {dimension}; the sampler chooses it"
        for dimension in dimensions
        if dimension.applies(defaults) and dimension.key not in defaults
    ]
    asked = [_asked_for(point, dimensions) for point in enqueue]
    try:
        return [defaults, *(completed(point, configured, dimensions) for point in asked)], warnings
    except ValueError as error:
        raise ConfigError(f"hydra.sweeper.enqueue: {error}") from error


def _asked_for(point: Any, dimensions: Sequence[Dimension]) -> dict[str, Any]:
    if not isinstance(point, Mapping):
        raise ConfigError(
            f"hydra.sweeper.enqueue is a list of points like {{KEY: VALUE}}; one is {point}"
        )
    asked = {plain(str(key)): value for key, value in point.items()}
    for key in asked.keys() - {dimension.key for dimension in dimensions}:
        raise ConfigError(f"hydra.sweeper.enqueue: {key} is not a dimension of the search")
    return asked


def completed(
    asked: Mapping[str, Any], configured: Configured, dimensions: Sequence[Dimension]
) -> Point:
    """Returns a point with the defaults of what was not asked for.

    Raises:
        ValueError: If something was asked for that its dimension does not have.
    """
    point: Point = {}
    for dimension in dimensions:
        if not (dimension.key in asked or dimension.applies(point)):
            continue
        config = configured(groups_of(point, dimensions))
        if dimension.key in asked:
            point[dimension.key] = dimension.member(asked[dimension.key], config)
        else:
            with contextlib.suppress(ValueError, OmegaConfBaseException):
                point[dimension.key] = dimension.member_in(config)
    return point
