"""Metrics of a binary classifier with 95 % intervals.

The intervals have a closed form (intervals.py, samples.py), so they need no resampling and depend
on no seed. scikit-learn computes the same metrics, but not their variances.
tests/unit/test_metrics.py compares the values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from pipeline.model.intervals import Estimate, average_intervals, rate_difference
from pipeline.model.samples import Measured, Predictions, measure_sample
from pipeline.storage.artifacts.base import Interval
from pipeline.types import FloatArray, IntArray

__all__ = [
    "METRICS",
    "Predictions",
    "compute_metrics",
    "flatten_metrics",
    "get_differences",
    "get_intervals",
    "paired_differences",
]

METRICS = ("roc_auc", "pr_auc", "recall", "precision", "specificity", "balanced_accuracy", "brier")

Sample = Mapping[str, Measured]
"""What `measure_sample` returns."""


def compute_metrics(labels: IntArray, predictions: Predictions) -> dict[str, Interval]:
    """Measure a model on test rows.

    Args:
        labels: 1 for the positive class, shape (n_rows,); both classes must occur.
        predictions: The model's predictions for those rows.

    Returns:
        Each of METRICS with its interval, which is for the value on the population that the rows
        were drawn from.
    """
    return get_intervals([_measure(labels, predictions)])


def paired_differences(
    labels: IntArray, first: Predictions, second: Predictions
) -> dict[str, Interval]:
    """Compare two models on the same test rows.

    Args:
        labels: 1 for the positive class, shape (n_rows,); both classes must occur.
        first: Predictions of the first model for those rows.
        second: Predictions of the second model for those rows.

    Returns:
        For each of METRICS, first minus second with its interval.
    """
    return get_differences([_measure(labels, first)], [_measure(labels, second)])


def _measure(labels: IntArray, predictions: Predictions) -> Sample:
    return measure_sample(labels, [(np.arange(labels.size), predictions)])


def get_intervals(samples: Sequence[Sample], variance_factor: float = 1.0) -> dict[str, Interval]:
    """Each of METRICS with its interval.

    Args:
        samples: Measurements of the same rows, whose mean is reported: one, or one per repetition
            of a cross-validation. The variance is that of one of them on average.
        variance_factor: By how much the variance exceeds that of a sample of these rows.
    """
    intervals = {
        name: _average([sample[name].estimate for sample in samples]).to_interval(variance_factor)
        for name in samples[0]
    }
    return _add_balanced_accuracy(intervals)


def get_differences(
    first: Sequence[Sample], second: Sequence[Sample], variance_factor: float = 1.0
) -> dict[str, Interval]:
    """For each of METRICS, first minus second on the same rows, with its interval.

    Recall and specificity have Newcombe's interval for paired rates, and balanced accuracy that of
    the mean of both. The others have the variance of the rows' paired influences, which for ROC
    AUC is that of DeLong.

    Args:
        first: Measurements of the first model, one per repetition of a cross-validation.
        second: Those of the second model.
        variance_factor: By how much the variance exceeds that of a sample of these rows.
    """
    differences = {}
    for name in first[0]:
        influence = np.array(
            [[sample[name].influence for sample in samples] for samples in (first, second)]
        )
        one, other = (
            _average([sample[name].estimate for sample in samples]) for samples in (first, second)
        )
        if name in ("recall", "specificity"):
            rates = one.to_interval(variance_factor), other.to_interval(variance_factor)
            differences[name] = rate_difference(*rates, correlation=_correlate(*influence))
        else:
            variance = float(((influence[0] - influence[1]) ** 2).sum(axis=1).mean())
            value = one.value - other.value
            margin = one.quantile * (variance * variance_factor) ** 0.5
            differences[name] = Interval(value=value, low=value - margin, high=value + margin)
    return _add_balanced_accuracy(differences)


def _average(estimates: Sequence[Estimate]) -> Estimate:
    """The mean of estimates on the same rows, with their mean variance."""
    value = float(np.mean([estimate.value for estimate in estimates]))
    trials = [estimate.trials for estimate in estimates]
    mean = 0.0 if 0 in trials else float(1 / np.mean([1 / number for number in trials]))
    return replace(estimates[0], value=value, trials=mean)


def _correlate(first: FloatArray, second: FloatArray) -> float:
    """Correlation of two estimates by the rows' influence, shape (n_samples, n_rows), on each."""
    scale = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / scale if scale > 0 else 0.0


def _add_balanced_accuracy(intervals: Mapping[str, Interval]) -> dict[str, Interval]:
    """METRICS, with the mean of recall and specificity, which are measured on different rows."""
    mean = average_intervals(intervals["recall"], intervals["specificity"])
    added = {**intervals, "balanced_accuracy": mean}
    return {name: added[name] for name in METRICS}


def flatten_metrics(metrics: Mapping[str, Interval]) -> dict[str, float]:
    """Metrics as MLflow stores them: NAME, NAME_low and NAME_high."""
    ends = {"": "value", "_low": "low", "_high": "high"}
    return {
        f"{name}{suffix}": getattr(interval, field)
        for name, interval in metrics.items()
        for suffix, field in ends.items()
    }
