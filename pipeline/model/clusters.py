"""Metrics of rows that are not independent of each other, such as several rows of one person.

The variance of an estimate is that of a sample of units, each with the sum of its rows' influences
(Taylor linearization). Resampling the units, the cluster bootstrap, approaches the same variance
with more and more samples, but needs a seed.

References: Field and Welsh, Bootstrapping Clustered Data, Journal of the Royal Statistical Society
B 69 (2007); Obuchowski, Nonparametric Analysis of Clustered ROC Curve Data, Biometrics 53 (1997).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.model.intervals import student_quantile
from pipeline.model.metrics import get_differences, get_intervals
from pipeline.model.samples import Measured, Predictions, measure_sample
from pipeline.storage.artifacts.base import Interval
from pipeline.types import FloatArray, IntArray


def compute_clustered_metrics(
    labels: IntArray, predictions: Predictions, units: IntArray | None
) -> dict[str, Interval]:
    """Measure a model on test rows, of which some may belong together.

    Args:
        labels: 1 for the positive class, shape (n_rows,); both classes must occur.
        predictions: The model's predictions for those rows.
        units: Number of each row's unit, shape (n_rows,); see units.py. Rows of different units are
            independent. None if all rows are.

    Returns:
        Each of METRICS with its interval, as `compute_metrics` returns them. With units, no
        interval is narrower than that of independent rows.
    """
    return get_intervals([_measure(labels, predictions, units)])


def compute_clustered_differences(
    labels: IntArray, first: Predictions, second: Predictions, units: IntArray | None
) -> dict[str, Interval]:
    """Compare two models on the same test rows, of which some may belong together.

    Args:
        labels: 1 for the positive class, shape (n_rows,); both classes must occur.
        first: Predictions of the first model for those rows.
        second: Predictions of the second model for those rows.
        units: As for `compute_clustered_metrics`.

    Returns:
        For each of METRICS, first minus second with its interval.
    """
    return get_differences([_measure(labels, first, units)], [_measure(labels, second, units)])


def get_design_factor(influence: FloatArray, rows: FloatArray, unit: IntArray) -> float:
    """By how much the variance of an estimate exceeds that of independent rows.

    Args:
        influence: What each row adds to the error of the estimate, shape (n_rows,).
        rows: Weight of each row in the estimate, shape (n_rows,). It counts if no row has an
            influence, because all answers are right: the rows of a unit are then taken as equal.
        unit: Number of each row's unit, from 0, shape (n_rows,).

    Returns:
        The factor, at least 1 (the design effect of Kish, Survey Sampling, 1965).
    """
    factor = _compare_squares(_sum_by_unit(influence, unit), influence)
    return max(factor or _compare_squares(_sum_by_unit(rows, unit), rows), 1.0)


def _measure(
    labels: IntArray, predictions: Predictions, units: IntArray | None
) -> dict[str, Measured]:
    """Measure a sample, in which the influences are those of units."""
    sample = measure_sample(labels, [(np.arange(labels.size), predictions)])
    if units is None:
        return sample
    _, unit = np.unique(units, return_inverse=True)
    negative, everything = 1 - labels, np.ones(labels.size)
    measured_on = {
        "recall": labels,
        "precision": predictions.positive,
        "specificity": negative,
        "pr_auc": labels,
    }
    rarer = min(_count_units(rows, unit) for rows in (labels, negative))
    clustered = {}
    for name, measured in sample.items():
        rows = measured_on.get(name, everything).astype(np.float64)
        count = rarer if name == "roc_auc" else _count_units(rows, unit)
        clustered[name] = _cluster(measured, rows, unit, count)
    return clustered


def _cluster(measured: Measured, rows: FloatArray, unit: IntArray, count: int) -> Measured:
    """Count units in the variance, and in the degrees of freedom of its estimate."""
    factor = get_design_factor(measured.influence, rows, unit)
    estimate = replace(
        measured.estimate,
        trials=measured.estimate.trials / factor,
        max_trials=measured.estimate.max_trials / factor,
        quantile=max(measured.estimate.quantile, student_quantile(count - 1)),
    )
    return Measured(estimate, _sum_by_unit(measured.influence, unit))


def _sum_by_unit(values: FloatArray, unit: IntArray) -> FloatArray:
    return np.bincount(unit, values).astype(np.float64)


def _compare_squares(sums: FloatArray, values: FloatArray) -> float:
    """Squares of the sums divided by those of the values; 0 if all values are 0."""
    squares = float((values**2).sum())
    return float((sums**2).sum()) / squares if squares else 0.0


def _count_units(rows: IntArray | FloatArray, unit: IntArray) -> int:
    return np.unique(unit[rows > 0]).size
