"""What lies between recorded configurations: the nearest one, or a Gaussian process."""

import operator
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from hydra_study_sweeper.space.dimensions import Dimension
from hydra_study_sweeper.space.points import Point
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from simulator import Array, Recorded, Smoother
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel


def encode(points: Sequence[Point], dimensions: Sequence[Dimension]) -> Array:
    """Returns coordinates (points, width) from 0 to 1.

    A number has a column, also if it is one of a few; of those, the place in the list counts. Other
    choices have a column each. Where a dimension does not apply, a number is in the middle and
    every choice is 0.
    """
    columns = [
        [column(point[dimension.key]) if dimension.key in point else absent for point in points]
        for dimension in dimensions
        for column, absent in _columns(dimension.distribution)
    ]
    return np.array(columns, dtype=float).T


def _columns(distribution: BaseDistribution) -> list[tuple[Callable[[Any], float], float]]:
    """Returns for each column a function of the value, and the coordinate of a missing value."""
    if isinstance(distribution, CategoricalDistribution):
        choices = distribution.choices
        if all(type(choice) in (int, float) for choice in choices):
            return [(lambda value: choices.index(value) / (len(choices) - 1), 0.5)]
        return [(partial(operator.eq, choice), 0.0) for choice in choices]
    assert isinstance(distribution, FloatDistribution), "the spaces have no other kind"
    scale = np.log if distribution.log else float
    low, high = scale(distribution.low), scale(distribution.high)
    return [(lambda value: (scale(value) - low) / (high - low), 0.5)]


def nearest(points: Sequence[Point], dimensions: Sequence[Dimension]) -> Smoother:
    """Takes the nearest recorded configuration, which is answered exactly."""
    recorded = encode(points, dimensions)

    def smooth(at: Sequence[Point]) -> Array:
        differences = encode(at, dimensions)[:, None] - recorded
        return np.eye(len(recorded))[(differences**2).sum(2).argmin(1)]

    return smooth


def gaussian_process(
    points: Sequence[Point], dimensions: Sequence[Dimension], targets: Array
) -> Smoother:
    """Weighs all configurations by the posterior mean of a Gaussian process.

    Args:
        points: The recorded configurations.
        dimensions: The search space.
        targets: What the kernel is fitted to (configurations, targets).
    """
    recorded = encode(points, dimensions)
    scales = np.ones(recorded.shape[1])  # one for each column, because some matter far more
    # Rough, because a smooth one promises more between two good configurations than any has.
    signal = ConstantKernel() * Matern(scales, (0.1, 100), nu=0.5)
    process = GaussianProcessRegressor(signal + WhiteKernel(0.1), normalize_y=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a dimension may not matter at all
        fitted = process.fit(recorded, targets).kernel_
    precision = np.linalg.inv(fitted(recorded))
    mean = np.full(len(recorded), 1 / len(recorded))

    def smooth(at: Sequence[Point]) -> Array:
        weights = fitted.k1(encode(at, dimensions), recorded) @ precision
        return weights + np.outer(1 - weights.sum(1), mean)

    return smooth


def targets_of(recorded: Recorded) -> tuple[Array, Array]:
    """Returns what processes of accuracy and of speed are fitted to.

    These are the highest accuracies (validation, test), and the logarithm of all seconds (timed
    configurations, 1).
    """
    accuracies = np.stack([recorded.value.max(1), recorded.test.max(1)], axis=1)
    return accuracies, np.log(recorded.seconds[:, -1:])
