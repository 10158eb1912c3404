"""Metrics of a binary classifier, with bootstrap intervals.

Intervals are 95 % percentile bootstrap intervals (Efron and Tibshirani, An Introduction to the
Bootstrap, 1993, chapter 13). Rows are resampled within each class, so a resample keeps the few
positive rows. To compare two models, both are measured on the same resamples.

scikit-learn and scipy compute the same. We compute it ourselves because that is many times faster
(the predictions are sorted once for all resamples) and because the images that need it do without
these two packages. tests/unit/test_metrics.py compares the results with theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.model.decision import is_positive
from pipeline.storage.artifacts import Interval
from pipeline.types import BoolArray, FloatArray, IntArray

METRICS = ("roc_auc", "pr_auc", "recall", "precision", "specificity", "balanced_accuracy", "brier")

MAX_RESAMPLED_ROWS = 200_000_000
"""Most rows in all resamples together (half a minute); larger data sets get fewer resamples."""
MIN_SAMPLES = 200
"""Number of resamples that is not reduced further."""

Measure = Callable[[FloatArray], Mapping[str, float]]
"""Computes metrics, by name, from the weights of the rows, shape (n_rows,)."""


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


class MetricCalculator:
    """Computes METRICS of one model on weighted rows; sorts the predictions once."""

    def __init__(self, labels: IntArray, predictions: Predictions) -> None:
        """Prepare the calculation.

        Args:
            labels: 1 for the positive class, shape (n_rows,).
            predictions: Predictions for those rows.
        """
        self._is_positive = labels == 1
        self._predicted_positive = predictions.positive
        self._squared_error = (predictions.probability - labels) ** 2
        _, self._rank = np.unique(predictions.probability, return_inverse=True)
        self._n_ranks = int(self._rank.max()) + 1

    def __call__(self, weights: FloatArray) -> dict[str, float]:
        """Compute the metrics.

        Args:
            weights: How often each row counts, shape (n_rows,); both classes must have weight.

        Returns:
            The value of each of METRICS.
        """
        positives, negatives = weights * self._is_positive, weights * ~self._is_positive
        true_positives = float(positives[self._predicted_positive].sum())
        false_positives = float(negatives[self._predicted_positive].sum())
        predicted_positives = true_positives + false_positives
        recall = true_positives / float(positives.sum())
        specificity = 1 - false_positives / float(negatives.sum())
        positives_by_rank = self._sum_by_rank(positives)
        negatives_by_rank = self._sum_by_rank(negatives)
        return {
            "roc_auc": _roc_auc(positives_by_rank, negatives_by_rank),
            "pr_auc": _pr_auc(positives_by_rank, negatives_by_rank),
            "recall": recall,
            "precision": true_positives / predicted_positives if predicted_positives else 0.0,
            "specificity": specificity,
            "balanced_accuracy": (recall + specificity) / 2,
            "brier": float((weights * self._squared_error).sum() / weights.sum()),
        }

    def _sum_by_rank(self, weights: FloatArray) -> FloatArray:
        """Sum weights by distinct probability, ascending, shape (n_ranks,)."""
        return np.bincount(self._rank, weights, self._n_ranks).astype(np.float64)


def _roc_auc(positives: FloatArray, negatives: FloatArray) -> float:
    """Fraction of pairs of a positive and a negative row that are ranked correctly.

    Ties count half. The arguments are the weights at each distinct probability, ascending.
    """
    correct = (positives * (np.cumsum(negatives) - negatives / 2)).sum()
    return float(correct / (positives.sum() * negatives.sum()))


def _pr_auc(positives: FloatArray, negatives: FloatArray) -> float:
    """Average precision: the precision at each threshold, weighted by the recall gained there.

    The arguments are the weights at each distinct probability, ascending.
    """
    true_positives = np.cumsum(positives[::-1])
    predicted_positives = np.cumsum((positives + negatives)[::-1])
    precision = true_positives / np.where(predicted_positives == 0, 1, predicted_positives)
    return float((precision * positives[::-1]).sum() / positives.sum())


def bootstrap_weights(labels: IntArray, samples: int, seed: int) -> Iterator[FloatArray]:
    """Draw bootstrap resamples within each class.

    Args:
        labels: 1 for the positive class, shape (n_rows,).
        samples: Number of resamples. Large data sets get fewer; see MAX_RESAMPLED_ROWS.
        seed: Seed of the resampling; equal seeds give equal resamples.

    Yields:
        How often each row was drawn, shape (n_rows,).
    """
    random = np.random.default_rng(seed)
    classes = [np.flatnonzero(labels == value) for value in (0, 1)]
    for _ in range(min(samples, max(MIN_SAMPLES, MAX_RESAMPLED_ROWS // labels.size))):
        drawn = np.concatenate([random.choice(rows, rows.size) for rows in classes])
        yield np.bincount(drawn, minlength=labels.size).astype(np.float64)


def percentile_interval(value: float, resampled: FloatArray) -> Interval:
    """Return the 95 % percentile interval of an estimate.

    Args:
        value: The estimate on all rows.
        resampled: The estimate on each resample, shape (n_samples,).
    """
    low, high = np.quantile(resampled, (0.025, 0.975))
    return Interval(value=value, low=float(low), high=float(high))


def bootstrap_intervals(
    measure: Measure, labels: IntArray, samples: int, seed: int
) -> dict[str, Interval]:
    """Compute metrics on all rows, with their intervals.

    Args:
        measure: Computes the metrics; no metrics if it cannot measure a resample.
        labels: 1 for the positive class, shape (n_rows,).
        samples: Number of bootstrap resamples.
        seed: Seed of the resampling.

    Returns:
        The estimate and interval of each metric that `measure` returns.
    """
    estimates = measure(np.ones(labels.size))
    resampled = [
        metrics
        for weights in bootstrap_weights(labels, samples, seed)
        if (metrics := measure(weights))
    ]
    return {
        name: percentile_interval(value, np.array([metrics[name] for metrics in resampled]))
        for name, value in estimates.items()
    }


def compute_metrics(
    labels: IntArray, predictions: Predictions, samples: int, seed: int
) -> dict[str, Interval]:
    """Measure a model.

    Args:
        labels: 1 for the positive class, shape (n_rows,); both classes must occur.
        predictions: The model's predictions for those rows.
        samples: Number of bootstrap resamples.
        seed: Seed of the resampling.

    Returns:
        Each of METRICS with its interval.
    """
    return bootstrap_intervals(MetricCalculator(labels, predictions), labels, samples, seed)


def paired_differences(
    labels: IntArray, first: Predictions, second: Predictions, samples: int, seed: int
) -> dict[str, Interval]:
    """Compare two models on the same rows with a paired bootstrap.

    Args:
        labels: 1 for the positive class, shape (n_rows,); both classes must occur.
        first: Predictions of the first model for those rows.
        second: Predictions of the second model for those rows.
        samples: Number of bootstrap resamples.
        seed: Seed of the resampling.

    Returns:
        For each of METRICS, first minus second with its interval.
    """
    difference = subtract(MetricCalculator(labels, first), MetricCalculator(labels, second))
    return bootstrap_intervals(difference, labels, samples, seed)


def subtract(first: Measure, second: Measure) -> Measure:
    """Return a function that measures the metrics of the first minus those of the second.

    Args:
        first: Computes the metrics of the first model.
        second: Computes the same metrics of the second.
    """

    def difference(weights: FloatArray) -> dict[str, float]:
        subtrahends = second(weights)
        return {name: value - subtrahends[name] for name, value in first(weights).items()}

    return difference


def flatten_metrics(metrics: Mapping[str, Interval]) -> dict[str, float]:
    """Metrics as MLflow stores them: NAME, NAME_low and NAME_high."""
    ends = {"": "value", "_low": "low", "_high": "high"}
    return {
        f"{name}{suffix}": getattr(interval, field)
        for name, interval in metrics.items()
        for suffix, field in ends.items()
    }
