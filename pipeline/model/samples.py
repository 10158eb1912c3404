"""Measure a model on a sample of rows: each metric with its variance, and what each row adds to it.

The rows are drawn at random from a population, so the number of positive rows varies too. A sample
consists of one part, or of the folds of a cross-validation, each predicted by another model: a
metric is then the mean over the folds, because rows of different folds are not ranked against each
other. Average precision is the exception. It depends so much on the number of positive rows that
its mean over small folds is too high, so it is computed on the pooled rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.model.decision import is_positive
from pipeline.model.intervals import (
    Estimate,
    estimate_roc_auc,
    get_placements,
    student_quantile,
)
from pipeline.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Predictions:
    """Predictions of a model.

    Attributes:
        probability: Probability of the positive class, shape (n_rows,).
        threshold: Probability from which the model predicts positive.
    """

    probability: FloatArray
    threshold: float

    @property
    def positive(self) -> BoolArray:
        """Whether each row is predicted positive, shape (n_rows,)."""
        return is_positive(self.probability, self.threshold)


@dataclass(frozen=True)
class Measured:
    """A metric that was measured on a sample.

    Attributes:
        estimate: The estimate.
        influence: What each row adds to the error of the estimate, shape (n_rows,). The sum of the
            squares is the variance of the estimate.
    """

    estimate: Estimate
    influence: FloatArray


@dataclass(frozen=True)
class _Rows:
    """The rows of all parts, one part after the other. All arrays have the shape (n_rows,)."""

    labels: IntArray
    part: IntArray
    probability: FloatArray
    predicted: BoolArray
    placements: FloatArray

    def weigh(self, selected: BoolArray) -> FloatArray:
        """Weights of the selected rows, 0 for others; the sum over each part is the same.

        The sum over all parts is 1 if each has any of the selected rows.
        """
        parts = int(self.part[-1]) + 1
        counts = np.bincount(self.part[selected], minlength=parts)
        return np.where(selected, 1 / np.maximum(counts[self.part], 1) / parts, 0.0)


def measure_sample(
    labels: IntArray, parts: Sequence[tuple[IntArray, Predictions]]
) -> dict[str, Measured]:
    """Measure a model, or the models of a cross-validation.

    Args:
        labels: 1 for the positive class, shape (n_rows,).
        parts: Indices of rows, and a model's predictions for them. No row is in two parts. Parts
            without one of the classes do not count; at least one must have both.

    Returns:
        Each of metrics.METRICS but balanced accuracy, which is the mean of recall and specificity.
        The influence of rows that do not count is 0.
    """
    parts = [part for part in parts if len(set(labels[part[0]].tolist())) == 2]
    rows = _gather(labels, parts)
    positive = rows.labels == 1
    measured = {
        "roc_auc": _measure_roc_auc(rows),
        "pr_auc": _measure_average_precision(rows.labels, rows.probability),
        "recall": _measure_rate(rows.predicted, rows.weigh(positive)),
        "precision": _measure_rate(positive, rows.weigh(rows.predicted)),
        "specificity": _measure_rate(~rows.predicted, rows.weigh(~positive)),
        "brier": _measure_mean((rows.probability - rows.labels) ** 2, rows.weigh(positive | True)),
    }
    indices = np.concatenate([indices for indices, _ in parts])
    for name, one in measured.items():
        influence = np.zeros(labels.size)
        influence[indices] = one.influence
        measured[name] = Measured(one.estimate, influence)
    return measured


def _gather(labels: IntArray, parts: Sequence[tuple[IntArray, Predictions]]) -> _Rows:
    """Collect the rows of all parts."""
    columns = [
        (
            labels[indices],
            np.full(indices.size, number),
            predictions.probability,
            predictions.positive,
            get_placements(labels[indices], predictions.probability),
        )
        for number, (indices, predictions) in enumerate(parts)
    ]
    return _Rows(*(np.concatenate(column) for column in zip(*columns, strict=True)))


def _measure_rate(successes: BoolArray, weights: FloatArray) -> Measured:
    """A weighted rate; with the weights of `_Rows.weigh`, the mean of the rates of all parts."""
    value, squares = min(float(weights[successes].sum()), 1.0), float((weights**2).sum())
    return Measured(Estimate(value, 1 / squares if squares else 0.0), weights * (successes - value))


def _measure_mean(values: FloatArray, weights: FloatArray) -> Measured:
    """A weighted mean of values between 0 and 1."""
    value = float((weights * values).sum())
    influence = weights * (values - value)
    variance = float((influence**2).sum())
    trials = value * (1 - value) / variance if variance > 0 else float(values.size)
    return Measured(Estimate(value, trials), influence)


def _measure_roc_auc(rows: _Rows) -> Measured:
    """The mean ROC AUC of all parts."""
    classes = [rows.labels == value for value in (0, 1)]
    weights = rows.weigh(classes[0]) + rows.weigh(classes[1])
    estimate = estimate_roc_auc(rows.labels, rows.placements, weights)
    counts = np.array([selected.sum() for selected in classes])
    unbiased = np.sqrt(counts / np.maximum(counts - 1, 1))[rows.labels]
    return Measured(estimate, weights * unbiased * (rows.placements - estimate.value))


def _measure_average_precision(labels: IntArray, probability: FloatArray) -> Measured:
    """The precision at each threshold, weighted by the recall that is gained there.

    The interval is at least as wide as that of a rate among the positive rows (Boyd et al., Area
    under the Precision-Recall Curve: Point Estimates and Confidence Intervals, ECML PKDD 2013).
    """
    _, rank = np.unique(-probability, return_inverse=True)
    positives = np.bincount(rank, labels)
    flagged = np.cumsum(np.bincount(rank))
    true_positives = np.cumsum(positives)
    precision, total = true_positives / flagged, float(positives.sum())
    value = float((precision * positives).sum() / total)
    # A row changes the precision at its own probability and at all lower ones.
    slope = positives / flagged**2
    by_positive = np.cumsum((slope * (flagged - true_positives))[::-1])[::-1]
    by_negative = np.cumsum((slope * true_positives)[::-1])[::-1]
    gained = np.where(labels == 1, precision[rank] - value + by_positive[rank], -by_negative[rank])
    influence = gained / total
    variance = float((influence**2).sum())
    trials = value * (1 - value) / variance if variance > 0 else total
    return Measured(Estimate(value, trials, student_quantile(int(total) - 1), total), influence)
