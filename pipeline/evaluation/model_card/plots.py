"""Plots of the confusion matrix, the effects of features, and candidate against champion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from pipeline.columns import FEATURES, LABEL, Category, Feature
from pipeline.evaluation.model_card.canvas import (
    CANDIDATE,
    CHAMPION,
    GUIDE,
    new_figure,
    new_figures,
    to_png,
)
from pipeline.storage.artifacts import Interval
from pipeline.types import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def confusion(labels: IntArray, predicted_positive: BoolArray) -> bytes:
    """Draw the confusion matrix.

    Args:
        labels: 1 for the positive class, shape (n_rows,).
        predicted_positive: Whether each row is predicted positive, shape (n_rows,).
    """
    figure, axes = new_figure("Confusion matrix, test rows", "predicted", "actual")
    names = [LABEL.negative, LABEL.positive]
    counts = np.array(
        [
            [np.sum((labels == actual) & (predicted_positive == predicted)) for predicted in (0, 1)]
            for actual in (0, 1)
        ]
    )
    rates = counts / counts.sum(axis=1, keepdims=True)
    axes.imshow(rates, cmap="Blues", vmin=0, vmax=1)
    for actual in (0, 1):
        for predicted in (0, 1):
            rate = rates[actual, predicted]
            axes.text(
                predicted,
                actual,
                f"{counts[actual, predicted]:,}\n{rate:.0%}",
                ha="center",
                va="center",
                color="white" if rate > 0.6 else "black",
                fontsize=14,
            )
    axes.set(xticks=[0, 1], yticks=[0, 1], xticklabels=names, yticklabels=names)
    axes.grid(visible=False)
    return to_png(figure)


def feature_effects(
    score: Callable[[FloatArray], FloatArray], features: FloatArray, threshold: float
) -> bytes:
    """Plot the mean probability when one feature is set to each of its values in every row.

    Args:
        score: The model: features, shape (n_rows, n_features) -> probabilities, shape (n_rows,).
        features: The rows to average over, shape (n_rows, n_features).
        threshold: The threshold, drawn as a dotted line.

    Returns:
        One plot per feature. Bands and error bars hold the middle 80 % of the rows.

    Reference: Friedman, Greedy Function Approximation: A Gradient Boosting Machine, Annals of
    Statistics 29 (2001), on partial dependence.
    """
    figure, plots = new_figures(len(FEATURES))
    for index, (feature, axes) in enumerate(zip(FEATURES, plots, strict=True)):
        values = _plotted_values(feature)
        probabilities = []
        for value in values:
            changed = features.copy()
            changed[:, index] = value
            probabilities.append(score(changed))
        _draw_effect(axes, feature, values, np.array(probabilities))
        axes.axhline(threshold, **GUIDE)
        axes.set(title=feature.name, ylim=(0, None))
    plots[0].set_ylabel("predicted probability")
    return to_png(figure)


def _draw_effect(
    axes: Axes, feature: Feature, values: FloatArray, probabilities: FloatArray
) -> None:
    """Draw the mean and the middle 80 % of probabilities, shape (n_values, n_rows)."""
    mean = probabilities.mean(axis=1)
    low, high = np.quantile(probabilities, (0.1, 0.9), axis=1)
    if isinstance(feature, Category):
        x = np.arange(len(values))
        errors = np.array([mean - low, high - mean]).clip(0)
        axes.errorbar(x, mean, errors, color=CANDIDATE, fmt="o", capsize=4)
        axes.set(xticks=x, xticklabels=list(feature.codes), xlim=(-0.5, len(values) - 0.5))
    else:
        axes.fill_between(values, low, high, color=CANDIDATE, alpha=0.15, linewidth=0)
        axes.plot(values, mean, color=CANDIDATE)


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
    axes.set(yticks=range(len(names)), yticklabels=names, xlim=(0, 1))
    axes.legend(loc="best")
    return to_png(figure)


def _plotted_values(feature: Feature) -> FloatArray:
    """The values of a category, or up to 100 values over the typical range of a number."""
    if isinstance(feature, Category):
        return np.array(list(feature.codes.values()), dtype=np.float64)
    low, high = feature.typical
    count = min(100, round((high - low) / feature.step) + 1)
    return np.linspace(low, high, count)
