"""What lies between recorded configurations: the nearest one, or a Gaussian process."""

import warnings
from collections.abc import Sequence

import numpy as np
from hydra_study_sweeper.space.dimensions import Dimension
from hydra_study_sweeper.space.points import Point
from optuna.distributions import CategoricalDistribution, FloatDistribution
from simulator import Array, Curves, Smoother
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel


def encode(points: Sequence[Point], dimensions: Sequence[Dimension]) -> Array:
    """Returns coordinates (points, width): a number from 0 to 1, a choice in a column for each.

    Of a dimension that does not apply, a number is in the middle and a choice is all zeros.
    """
    columns: list[list[float]] = []
    for key, distribution in ((d.key, d.distribution) for d in dimensions):
        if isinstance(distribution, CategoricalDistribution):
            columns += [
                [float(key in point and point[key] == choice) for point in points]
                for choice in distribution.choices
            ]
            continue
        assert isinstance(distribution, FloatDistribution), "the spaces have no other kind"
        low, high = distribution.low, distribution.high
        scale = np.log if distribution.log else float
        columns.append(
            [
                (scale(point[key]) - scale(low)) / (scale(high) - scale(low))
                if key in point
                else 0.5
                for point in points
            ]
        )
    return np.array(columns, dtype=float).T


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
    scales = np.ones(recorded.shape[1])
    signal = ConstantKernel() * Matern(scales, (0.2, 100), nu=2.5)
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


def targets_of(recorded: Curves) -> tuple[Array, Array]:
    """Returns what processes of accuracy and of speed are fitted to.

    These are the accuracies after the last epoch (validation, test), and the logarithm of the
    seconds (configurations, 1).
    """
    accuracies = np.stack([recorded.value[:, -1], recorded.test[:, -1]], axis=1)
    return accuracies, np.log(recorded.seconds[:, -1:])
