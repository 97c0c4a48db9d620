"""The tuning curve of a search: what fewer of its trials would have found."""

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import optuna
from optuna.trial import TrialState

from hydra_study_sweeper.reporting import is_own

if TYPE_CHECKING:
    import plotly.graph_objects as go

Array = npt.NDArray[np.float64]
MOST_POINTS = 100
BAND = (0.05, 0.95)


def best_of(values: Array, sizes: npt.NDArray[np.int64]) -> Array:
    """Describes the maximum of a random subset of the values, for each size of the subset.

    The mean is exact and has no bias, since values are drawn without replacement (Tang et al.,
    "Showing Your Work Doesn't Always Work", ACL 2020).

    Args:
        values: All values.
        sizes: The sizes, from 1 to the number of values.

    Returns:
        Mean, 5 % quantile and 95 % quantile of the maximum (3, sizes).
    """
    ordered, total = np.sort(values), len(values)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, total + 1)))])

    def described(size: int) -> list[float]:
        rank = np.arange(size, total + 1)
        # Of C(total, size) choices, C(rank, size) have nothing above the value of that rank.
        ways = log_factorial[rank] - log_factorial[rank - size]
        at_most = np.exp(ways - ways[-1])
        best = ordered[size - 1 :]
        mean = float(np.diff(at_most, prepend=0.0) @ best)
        return [mean, *(float(best[np.searchsorted(at_most, share)]) for share in BAND)]

    return np.array([described(int(size)) for size in sizes]).T


def _finite_values(study: optuna.Study) -> list[float]:
    """Returns the finite values of trials, of a pruned one the last that it reported."""
    ended = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE, TrialState.PRUNED])
    values = (trial.value for trial in ended if is_own(trial))
    return [value for value in values if value is not None and math.isfinite(value)]


def plot_tuning_curve(study: optuna.Study, target_name: str) -> "go.Figure":
    """Draws the best value that a number of trials is expected to find.

    The trials are taken in random order, so the curve of a search that learns from its trials
    begins above the search itself.

    Args:
        study: The study, with at least one complete trial of a finite value.
        target_name: What its values are.
    """
    import plotly.graph_objects as go  # here: Plotly takes its time, and is an extra

    sign = 1 if study.direction == optuna.study.StudyDirection.MAXIMIZE else -1
    values = np.array(_finite_values(study))
    sizes = np.unique(np.geomspace(1, len(values), MOST_POINTS).round().astype(int))
    mean, low, high = sign * best_of(sign * values, sizes)
    band = {"x": [*sizes, *sizes[::-1]], "y": [*low, *high[::-1]], "fill": "toself"}
    figure = go.Figure(
        [
            go.Scatter(**band, line={"width": 0}, name="90 % of the orders", hoverinfo="skip"),
            go.Scatter(x=sizes, y=mean, name="mean", hovertemplate="%{x} trials: %{y:.4f}"),
        ]
    )
    return figure.update_layout(xaxis_title="trials", yaxis_title=target_name)
