"""The pictures of a model card, as PNG: curves, threshold, confusion, calibration, features' effects, champion."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.columns import FEATURES, LABEL, Category, Feature
from pipeline.evaluation.behavioral_checks import wilson_interval
from pipeline.model.decision import is_positive
from pipeline.model.thresholds import threshold_curve
from pipeline.storage.artifacts import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
Label = NDArray[np.int64]

CANDIDATE, OTHER, CHAMPION, GRID = "#2563eb", "#8a94a8", "#b45309", "#d9dee8"
GUIDE: dict[str, Any] = {"color": OTHER, "linestyle": ":", "linewidth": 1}
BANDS = 5
"""Of the calibration plot, with as many rows each: few positives bear no more."""


@dataclass(frozen=True)
class Series:
    """What a model said of some rows: one line in a plot."""

    name: str
    label: Label
    probability: Floats
    color: str


def roc(series: Sequence[Series], threshold: float) -> bytes:
    """True against false positive rate; the first series' threshold is marked."""
    figure, axes = _figure("ROC", "false positive rate", "true positive rate (recall)")
    for each in series:
        curve = threshold_curve(each.label, each.probability)
        x, y = np.append(1 - curve[:, 2], 0), np.append(curve[:, 1], 0)
        axes.plot(x, y, color=each.color, label=each.name)
    at = _at(series[0], threshold)
    axes.plot(1 - at[2], at[1], "o", color=series[0].color, label=f"threshold {threshold:.3g}")
    axes.plot([0, 1], [0, 1], **GUIDE)
    axes.legend(loc="lower right")
    return _png(figure)


def precision_recall(series: Sequence[Series], threshold: float) -> bytes:
    """Precision against recall, beside the precision of calling everybody positive."""
    figure, axes = _figure("Precision and recall", "recall", "precision")
    for each in series:
        curve = threshold_curve(each.label, each.probability)
        axes.step(
            curve[:, 1],
            _precision(curve, each.label),
            where="pre",
            color=each.color,
            label=each.name,
        )
    at = _at(series[0], threshold)
    axes.plot(
        at[1],
        _precision(at[None, :], series[0].label)[0],
        "o",
        color=series[0].color,
        label=f"threshold {threshold:.3g}",
    )
    axes.axhline(float(series[0].label.mean()), **GUIDE)
    axes.legend(loc="upper right")
    axes.set_ylim(0, None)
    return _png(figure)


def calibration(series: Sequence[Series]) -> bytes:
    """Observed share of positives against predicted risk, in bands with as many rows each, with 95 % intervals."""
    figure, axes = _figure("Calibration", "predicted risk", f"observed share of '{LABEL.positive}'")
    for each in series:
        order = np.argsort(each.probability, kind="stable")
        parts = [part for part in np.array_split(order, BANDS) if part.size]
        predicted = np.array([each.probability[part].mean() for part in parts])
        observed = np.array([each.label[part].mean() for part in parts])
        ends = np.array([wilson_interval(int(each.label[part].sum()), part.size) for part in parts])
        errors = np.abs(np.column_stack([observed - ends[:, 0], ends[:, 1] - observed])).T
        axes.errorbar(
            predicted, observed, errors, color=each.color, marker="o", capsize=3, label=each.name
        )
    top = max(axes.get_xlim()[1], axes.get_ylim()[1])
    axes.plot([0, top], [0, top], **GUIDE)
    axes.set(xlim=(0, None), ylim=(0, None))
    axes.legend(loc="upper left")
    return _png(figure)


def confusion(label: Label, called: NDArray[np.bool_]) -> bytes:
    """Counts of what was and what was said."""
    figure, axes = _figure("Confusion, test rows", "model says", "outcome")
    names = [LABEL.negative, LABEL.positive]
    counts = np.array(
        [[np.sum((label == actual) & (called == said)) for said in (0, 1)] for actual in (0, 1)]
    )
    shares = counts / counts.sum(axis=1, keepdims=True)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for actual in (0, 1):
        for said in (0, 1):
            color = "white" if shares[actual, said] > 0.6 else "black"
            text = f"{counts[actual, said]:,}\n{shares[actual, said]:.0%}"
            axes.text(said, actual, text, ha="center", va="center", color=color, fontsize=14)
    axes.set(xticks=[0, 1], yticks=[0, 1], xticklabels=names, yticklabels=names)
    axes.grid(visible=False)
    return _png(figure)


def threshold_choice(
    label: Label, probability: Floats, threshold: float, min_recall: float
) -> bytes:
    """Recall, specificity and their mean against the threshold, on rows out of fold."""
    figure, axes = _figure("Choice of the threshold, out of fold", "threshold (risk)", "")
    curve = threshold_curve(label, probability)
    axes.plot(curve[:, 0], curve[:, 1], color=CANDIDATE, label="recall")
    axes.plot(curve[:, 0], curve[:, 2], color=CHAMPION, label="specificity")
    axes.plot(
        curve[:, 0], (curve[:, 1] + curve[:, 2]) / 2, color="black", label="balanced accuracy"
    )
    axes.axvline(threshold, color="black", linewidth=1, label=f"chosen: {threshold:.3g}")
    axes.axhline(min_recall, **GUIDE, label=f"recall asked for: {min_recall:g}")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3, fontsize="small")
    return _png(figure)


def feature_effects(score: Callable[[Floats], Floats], rows: Floats, threshold: float) -> bytes:
    """Mean risk over the rows when one feature is set to each of its values (partial dependence: Friedman, Greedy Function
    Approximation, Annals of Statistics 29, 2001), with the middle 80 % of the rows."""
    figure, plots = _figures(len(FEATURES))
    for place, (feature, axes) in enumerate(zip(FEATURES, plots, strict=True)):
        values = _values(feature)
        drawn = []
        for value in values:
            moved = rows.copy()
            moved[:, place] = value
            drawn.append(score(moved))
        risk = np.array(drawn)
        low, high = np.quantile(risk, (0.1, 0.9), axis=1)
        if isinstance(feature, Category):
            at = np.arange(len(values))
            mean = risk.mean(axis=1)
            axes.errorbar(
                at,
                mean,
                np.array([mean - low, high - mean]).clip(0),
                color=CANDIDATE,
                fmt="o",
                capsize=4,
            )
            axes.set(xticks=at, xticklabels=list(feature.codes), xlim=(-0.5, len(values) - 0.5))
        else:
            axes.fill_between(values, low, high, color=CANDIDATE, alpha=0.15, linewidth=0)
            axes.plot(values, risk.mean(axis=1), color=CANDIDATE)
        axes.axhline(threshold, **GUIDE)
        axes.set(title=feature.name, ylim=(0, None))
    plots[0].set_ylabel("predicted risk")
    return _png(figure)


def side_by_side(
    candidate: Mapping[str, Interval], champion: Mapping[str, Interval], name: str
) -> bytes:
    """Metrics of candidate and champion with their intervals."""
    figure, axes = _figure("Candidate and champion, same test rows", "", "")
    names = [metric for metric in candidate if metric in champion][::-1]
    sides = (("candidate", candidate, CANDIDATE, 0.12), (name, champion, CHAMPION, -0.12))
    for title, metrics, color, shift in sides:
        for place, metric in enumerate(names):
            at = metrics[metric]
            axes.plot([at.low, at.high], [place + shift] * 2, color=color, linewidth=2)
            axes.plot(
                at.value, place + shift, "o", color=color, label=title if place == 0 else None
            )
    axes.set(yticks=range(len(names)), yticklabels=names, xlim=(0, 1))
    axes.legend(loc="best")
    return _png(figure)


def _values(feature: Feature) -> Floats:
    if isinstance(feature, Category):
        return np.array(list(feature.codes.values()), dtype=np.float64)
    low, high = feature.typical
    count = min(100, round((high - low) / feature.step) + 1)
    return np.linspace(low, high, count)


def _at(series: Series, threshold: float) -> Floats:
    """Threshold, recall, specificity [3] of the series there."""
    called = is_positive(series.probability, threshold)
    return np.array(
        [threshold, called[series.label == 1].mean(), (~called)[series.label == 0].mean()]
    )


def _precision(curve: Floats, label: Label) -> Floats:
    hits, alarms = curve[:, 1] * (label == 1).sum(), (1 - curve[:, 2]) * (label == 0).sum()
    precision: Floats = hits / np.maximum(hits + alarms, 1e-9)
    return precision


def _figure(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    figure, (axes,) = _figures(1, size=(5.2, 4.2))
    axes.set(title=title, xlabel=x, ylabel=y)
    return figure, axes


def _figures(count: int, size: tuple[float, float] | None = None) -> tuple[Figure, list[Axes]]:
    """A figure without pyplot, which would keep it for ever and look for a screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size or (3.1 * count, 3.0), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    plots = [figure.add_subplot(1, count, place + 1) for place in range(count)]
    for axes in plots:
        axes.grid(color=GRID, linewidth=0.7)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, plots


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
