"""Plots over all thresholds: ROC, precision and recall, calibration, choice of the threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.columns import LABEL
from pipeline.evaluation.model_card.calibration import make_bins
from pipeline.evaluation.model_card.canvas import (
    CANDIDATE,
    CHAMPION,
    GUIDE,
    INK,
    new_figure,
    to_svg,
)
from pipeline.model.decision import is_positive
from pipeline.model.thresholds import threshold_curve
from pipeline.types import FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Series:
    """A model's predictions, drawn as one line.

    Attributes:
        name: Name in the legend.
        labels: 1 for the positive class, shape (n_rows,).
        probability: Predicted probabilities of those rows, shape (n_rows,).
        color: Color of the line.
    """

    name: str
    labels: IntArray
    probability: FloatArray
    color: str


def roc(series: Sequence[Series], threshold: float) -> bytes:
    """Plot the true positive rate against the false positive rate.

    Args:
        series: The curves. The threshold is marked on the first one.
        threshold: The threshold.
    """
    figure, axes = new_figure("ROC", "false positive rate", "true positive rate (recall)")
    for one in series:
        curve = threshold_curve(one.labels, one.probability)
        x, y = np.append(1 - curve[:, 2], 0), np.append(curve[:, 1], 0)
        axes.plot(x, y, color=one.color, label=one.name)
    _, recall, specificity = _curve_point(series[0], threshold)
    _mark(axes, 1 - specificity, recall, series[0].color, threshold)
    axes.plot([0, 1], [0, 1], **GUIDE)
    axes.legend(loc="lower right")
    return to_svg(figure)


def precision_recall(series: Sequence[Series], threshold: float) -> bytes:
    """Plot precision against recall, with the precision of predicting every row positive.

    Args:
        series: The curves. The threshold is marked on the first one.
        threshold: The threshold.
    """
    figure, axes = new_figure("Precision and recall", "recall", "precision")
    for one in series:
        curve = threshold_curve(one.labels, one.probability)
        precision = _precision(curve, one.labels)
        axes.step(curve[:, 1], precision, where="pre", color=one.color, label=one.name)
    point = _curve_point(series[0], threshold)
    precision = _precision(point[None, :], series[0].labels)
    _mark(axes, point[1], precision[0], series[0].color, threshold)
    axes.axhline(float(series[0].labels.mean()), **GUIDE)
    axes.legend(loc="upper right")
    axes.set_ylim(0, None)
    return to_svg(figure)


def calibration(series: Sequence[Series]) -> bytes:
    """Plot the observed rate of positive rows against the predicted probability.

    Error bars are 95 % intervals of the observed rate.
    """
    figure, axes = new_figure(
        "Calibration", "predicted probability", f"observed rate of '{LABEL.positive}'"
    )
    for one in series:
        bins = make_bins(one.labels, one.probability)
        predicted, observed, low, high = np.array(
            [(bin.predicted, bin.observed, bin.low, bin.high) for bin in bins]
        ).T
        errors = np.abs([observed - low, high - observed])
        axes.errorbar(
            predicted, observed, errors, color=one.color, marker="o", capsize=3, label=one.name
        )
    top = max(axes.get_xlim()[1], axes.get_ylim()[1])
    axes.plot([0, top], [0, top], **GUIDE)
    axes.set(xlim=(0, None), ylim=(0, None))
    axes.legend(loc="upper left")
    return to_svg(figure)


def threshold_choice(series: Series, threshold: float, min_recall: float | None) -> bytes:
    """Plot recall, specificity and their mean against the threshold.

    Args:
        series: Out-of-fold predictions.
        threshold: The threshold that was chosen.
        min_recall: The recall that the threshold was chosen to reach, if that was its purpose.
    """
    from matplotlib.ticker import LogLocator, NullFormatter

    figure, axes = new_figure("Choice of the threshold, out-of-fold rows", "threshold", "")
    curve = threshold_curve(series.labels, series.probability)
    balanced_accuracy = (curve[:, 1] + curve[:, 2]) / 2
    axes.plot(curve[:, 0], curve[:, 1], color=CANDIDATE, label="recall")
    axes.plot(curve[:, 0], curve[:, 2], color=CHAMPION, label="specificity")
    axes.plot(curve[:, 0], balanced_accuracy, color=INK, label="balanced accuracy")
    axes.axvline(threshold, color=INK, linewidth=1, label=f"chosen: {threshold:.3g}")
    if min_recall is not None:
        axes.axhline(min_recall, **GUIDE, label=f"required recall: {min_recall:g}")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3, fontsize="small")
    return to_svg(figure)


def _curve_point(series: Series, threshold: float) -> FloatArray:
    """Threshold, recall and specificity, shape (3,)."""
    predicted = is_positive(series.probability, threshold)
    recall = predicted[series.labels == 1].mean()
    specificity = (~predicted)[series.labels == 0].mean()
    return np.array([threshold, recall, specificity])


def _precision(curve: FloatArray, labels: IntArray) -> FloatArray:
    """Precision at each point of a curve of threshold, recall and specificity, shape (n, 3)."""
    true_positives = curve[:, 1] * (labels == 1).sum()
    false_positives = (1 - curve[:, 2]) * (labels == 0).sum()
    precision: FloatArray = true_positives / np.maximum(true_positives + false_positives, 1e-9)
    return precision


def _mark(axes: Axes, x: float, y: float, color: str, threshold: float) -> None:
    axes.plot(x, y, "o", color=color, label=f"threshold {threshold:.3g}")
