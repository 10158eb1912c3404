"""Plots of the confusion matrix, the effects of features, and candidate against champion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipeline.columns import LABEL, Category, Number
from pipeline.evaluation.metric_titles import get_metric_title
from pipeline.evaluation.model_card.canvas import (
    CANDIDATE,
    CHAMPION,
    GUIDE,
    INK,
    new_figure,
    new_figures,
    to_svg,
)
from pipeline.evaluation.model_card.effects import EffectCurve
from pipeline.storage.artifacts.base import Interval
from pipeline.types import BoolArray, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EFFECT_COLUMNS = 3
"""Effect curves in a row."""


def confusion(labels: IntArray, predicted_positive: BoolArray) -> bytes:
    """Draw the confusion matrix.

    Args:
        labels: 1 for the positive class, shape (n_rows,).
        predicted_positive: Whether each row is predicted positive, shape (n_rows,).
    """
    from matplotlib.patches import Rectangle

    title = "Confusion matrix, test rows\n(percent and shade: fraction of the actual class)"
    figure, axes = new_figure(title, "predicted", "actual")
    names = [LABEL.negative, LABEL.positive]
    counts = np.array(
        [
            [np.sum((labels == actual) & (predicted_positive == predicted)) for predicted in (0, 1)]
            for actual in (0, 1)
        ]
    )
    rates = counts / counts.sum(axis=1, keepdims=True)
    axes.set(xlim=(-0.5, 1.5), ylim=(1.5, -0.5), aspect="equal")
    for actual in (0, 1):
        for predicted in (0, 1):
            rate = rates[actual, predicted]
            corner = (predicted - 0.5, actual - 0.5)
            alpha = 0.05 + 0.5 * rate
            axes.add_patch(Rectangle(corner, 1, 1, color=CANDIDATE, alpha=alpha, linewidth=0))
            axes.text(
                predicted,
                actual,
                f"{counts[actual, predicted]:,}\n{rate:.0%}",
                ha="center",
                va="center",
                color=INK,
                fontsize=14,
            )
    axes.set(xticks=[0, 1], yticks=[0, 1], xticklabels=names, yticklabels=names)
    axes.grid(visible=False)
    return to_svg(figure)


def feature_effects(curves: Sequence[EffectCurve], threshold: float) -> bytes:
    """Plot the effect curve of each feature, all on the same scale.

    Args:
        curves: The curves.
        threshold: The threshold, drawn as a dotted line.

    Returns:
        One plot per feature. Bands and error bars hold the middle 80 % of the rows.
    """
    figure, plots = new_figures(len(curves), columns=EFFECT_COLUMNS)
    for index, (curve, axes) in enumerate(zip(curves, plots, strict=True)):
        _draw_effect(axes, curve)
        axes.axhline(threshold, **GUIDE)
        axes.set(title=curve.feature.name)
        if isinstance(curve.feature, Number):
            axes.set_xlabel(curve.feature.unit)
        if index % EFFECT_COLUMNS == 0:
            axes.set_ylabel("predicted probability")
    plots[0].set_ylim(0, None)
    return to_svg(figure)


def _draw_effect(axes: Axes, curve: EffectCurve) -> None:
    if isinstance(curve.feature, Category):
        x = np.arange(len(curve.values))
        errors = np.array([curve.mean - curve.low, curve.high - curve.mean]).clip(0)
        axes.errorbar(x, curve.mean, errors, color=CANDIDATE, fmt="o", capsize=4)
        names = list(curve.feature.codes)
        axes.set(xticks=x, xticklabels=names, xlim=(-0.5, len(names) - 0.5))
    else:
        axes.fill_between(
            curve.values, curve.low, curve.high, color=CANDIDATE, alpha=0.15, linewidth=0
        )
        axes.plot(curve.values, curve.mean, color=CANDIDATE)


def side_by_side(
    candidate: Mapping[str, Interval], champion: Mapping[str, Interval], champion_name: str
) -> bytes:
    """Plot the metrics of candidate and champion with their intervals."""
    figure, axes = new_figure("Candidate and champion, same test rows", "", "")
    names = [metric for metric in candidate if metric in champion][::-1]
    sides = (
        ("candidate", candidate, CANDIDATE, 0.12),
        (champion_name, champion, CHAMPION, -0.12),
    )
    for title, metrics, color, shift in sides:
        for index, metric in enumerate(names):
            interval, y = metrics[metric], index + shift
            axes.plot([interval.low, interval.high], [y, y], color=color, linewidth=2)
            label = title if index == 0 else None
            axes.plot(interval.value, y, "o", color=color, label=label)
    titles = [get_metric_title(name) for name in names]
    axes.set(yticks=range(len(names)), yticklabels=titles, xlim=(0, 1))
    axes.legend(loc="best")
    return to_svg(figure)
