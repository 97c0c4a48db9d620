"""Interactive figures. The page (`report.js`) gives them colours and fonts."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go
from hydra_study_sweeper.records import SeedValues

from rnnclf.files.epochs import EpochMetrics
from rnnclf.model.metrics import Indices

MOST_CLASSES_WITH_COUNTS = 20
MARGIN = {"t": 10, "r": 40, "b": 40, "l": 40}  # at least; labels widen it
PARTS = {"train": "training", "val": "validation"}


def learning_curve(epochs: Sequence[EpochMetrics], measure: str, best_epoch: int) -> go.Figure:
    """Draws `loss` or `accuracy` of both parts over the epochs."""
    figure = _figure(height=260, xaxis={"title": {"text": "epoch"}, "dtick": _step(len(epochs))})
    for part, name in PARTS.items():
        values = [getattr(epoch, f"{part}_{measure}") for epoch in epochs]
        if None in values:
            continue
        figure.add_scatter(
            x=[epoch.epoch for epoch in epochs],
            y=values,
            name=name,
            mode="lines+markers",
            hovertemplate=f"{name} {measure} %{{y:.4f}}<extra></extra>",
        )
    figure.add_vline(x=best_epoch, line={"dash": "dot", "width": 1.5})
    figure.update_layout(hovermode="x unified")
    return figure


def confusion_heatmap(classes: Sequence[str], counts: Indices) -> go.Figure:
    """Draws the shares of each true class, right and wrong answers in two colours."""
    shares = counts / np.maximum(1, counts.sum(1, keepdims=True))
    diagonal = np.eye(len(classes), dtype=bool)
    size = max(380, 150 + 14 * len(classes))
    ticks = {"tickfont": {"size": 10}, "tickmode": "linear", "showgrid": False, "type": "category"}
    names = [escape(name, quote=False) for name in classes]  # plotly reads some tags
    figure = _figure(
        height=size,
        xaxis={"title": {"text": "predicted class"}, "tickangle": -90, **ticks},
        yaxis={"title": {"text": "true class"}, "autorange": "reversed", **ticks},
    )
    for name, of_this_kind in (("right", diagonal), ("wrong", ~diagonal)):
        cells = of_this_kind & (counts > 0)
        figure.add_heatmap(
            x=names,
            y=names,
            z=np.where(cells, shares, np.nan).round(4),
            text=np.where(cells, counts.astype(str), "").tolist(),
            zmin=0,
            zmax=1,
            xgap=1,
            ygap=1,
            showscale=False,
            hoverongaps=False,
            meta=name,
            texttemplate="%{text}" if len(classes) <= MOST_CLASSES_WITH_COUNTS else "",
            hovertemplate="%{y}<br>predicted as %{x}<br>%{text} texts, %{z:.0%}<extra></extra>",
        )
    return figure


def seeds_spread(metric: str, kinds: Mapping[str, SeedValues]) -> go.Figure:
    """Draws a metric over seeds with mean and interval, a line for each kind of run."""
    figure = _figure(height=170, xaxis={"title": {"text": metric}}, showlegend=False)
    figure.update_yaxes(type="category", range=[len(kinds) - 0.4, -0.6])
    figure.add_scatter(
        x=[value for seeds in kinds.values() for value in seeds.values],
        y=[name for name, seeds in kinds.items() for _ in seeds.values],
        mode="markers",
        marker={"size": 9, "opacity": 0.6},
        hovertemplate="%{x:.4f}<extra></extra>",
    )
    means = [seeds.mean for seeds in kinds.values()]
    highs = [seeds.interval[1] if seeds.interval else seeds.mean for seeds in kinds.values()]
    figure.add_scatter(
        x=means,
        y=list(kinds),
        mode="markers",
        marker={"size": 20, "symbol": "line-ns-open", "line": {"width": 2.5}},
        error_x={"array": [high - mean for high, mean in zip(highs, means, strict=True)]},
        hovertemplate="mean %{x:.4f}<extra></extra>",
    )
    return figure


def _figure(**layout: Any) -> go.Figure:
    """Returns an empty figure without plotly's own colours."""
    return go.Figure(layout={"template": None, "margin": MARGIN, **layout})


def _step(num_epochs: int) -> int:
    return max(1, round(num_epochs / 8))
