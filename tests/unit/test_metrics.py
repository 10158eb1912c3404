"""Metrics and their intervals, compared with scikit-learn's and scipy's."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics

from pipeline.model.metrics import (
    MetricCalculator,
    Predictions,
    bootstrap_weights,
    compute_metrics,
    paired_differences,
)
from pipeline.storage.artifacts import Interval
from pipeline.types import FloatArray

_random = np.random.default_rng(0)
LABELS = (_random.random(400) < 0.1).astype(np.int64)
TIED = Predictions(np.round(0.3 * LABELS + 0.7 * _random.random(400), 1), 0.5)
"""Informative probabilities of one decimal, so that many are equal."""
NOISE = Predictions(_random.random(400), 0.5)

MONTE_CARLO_ERROR = 0.02
"""More than the ends of two bootstrap intervals of 2,000 resamples differ by chance."""


@pytest.mark.parametrize("predictions", [TIED, NOISE], ids=["tied", "noise"])
def test_weighted_metrics_equal_those_of_scikit_learn(predictions: Predictions) -> None:
    """A row with weight n counts n times, also among tied probabilities."""
    weights = _random.integers(0, 4, LABELS.size).astype(float)
    probability, positive = predictions.probability, predictions.positive
    metrics = MetricCalculator(LABELS, predictions)(weights)
    expected = {
        "roc_auc": sklearn.metrics.roc_auc_score(LABELS, probability, sample_weight=weights),
        "pr_auc": sklearn.metrics.average_precision_score(
            LABELS, probability, sample_weight=weights
        ),
        "recall": sklearn.metrics.recall_score(LABELS, positive, sample_weight=weights),
        "precision": sklearn.metrics.precision_score(LABELS, positive, sample_weight=weights),
        "specificity": sklearn.metrics.recall_score(
            LABELS, positive, sample_weight=weights, pos_label=0
        ),
        "balanced_accuracy": sklearn.metrics.balanced_accuracy_score(
            LABELS, positive, sample_weight=weights
        ),
        "brier": sklearn.metrics.brier_score_loss(LABELS, probability, sample_weight=weights),
    }
    assert metrics == pytest.approx(expected)


def roc_auc(positives: FloatArray, negatives: FloatArray) -> float:
    """ROC AUC of the probabilities of positive and negative rows."""
    differences = positives[:, np.newaxis] - negatives
    return float(np.mean((differences > 0) + (differences == 0) / 2))


def assert_same_interval(ours: Interval, scipys: scipy.stats._resampling.BootstrapResult) -> None:
    interval = scipys.confidence_interval
    assert (ours.low, ours.high) == pytest.approx(
        (interval.low, interval.high), abs=MONTE_CARLO_ERROR
    )


def test_the_interval_equals_that_of_scipy() -> None:
    """scipy resamples two samples independently, like our resampling within each class."""
    found = compute_metrics(LABELS, TIED, samples=2000, seed=1)["roc_auc"]
    expected = scipy.stats.bootstrap(
        (TIED.probability[LABELS == 1], TIED.probability[LABELS == 0]),
        roc_auc,
        n_resamples=2000,
        method="percentile",
        vectorized=False,
        rng=1,
    )
    assert_same_interval(found, expected)


def test_the_interval_of_a_difference_equals_that_of_scipy() -> None:
    """Both models are measured on the same resampled rows."""

    def difference(positives: FloatArray, negatives: FloatArray) -> float:
        rows = positives.astype(int), negatives.astype(int)
        first = roc_auc(*(TIED.probability[indices] for indices in rows))
        return first - roc_auc(*(NOISE.probability[indices] for indices in rows))

    found = paired_differences(LABELS, TIED, NOISE, samples=2000, seed=1)["roc_auc"]
    expected = scipy.stats.bootstrap(
        (np.flatnonzero(LABELS == 1), np.flatnonzero(LABELS == 0)),
        difference,
        n_resamples=2000,
        method="percentile",
        vectorized=False,
        rng=1,
    )
    assert_same_interval(found, expected)


def test_a_resample_keeps_the_size_of_each_class() -> None:
    """No resample loses the positive rows, and equal seeds draw equal resamples."""
    resamples = list(bootstrap_weights(LABELS, 20, seed=1))
    for weights in resamples:
        assert (weights[LABELS == 1].sum(), weights.sum()) == (LABELS.sum(), LABELS.size)
    again = bootstrap_weights(LABELS, 20, seed=1)
    assert all(np.array_equal(*pair) for pair in zip(resamples, again, strict=True))


def test_a_model_does_not_differ_from_itself() -> None:
    """The whole interval is zero, because the resamples are paired."""
    for interval in paired_differences(LABELS, TIED, TIED, 50, seed=1).values():
        assert (interval.value, interval.low, interval.high) == (0, 0, 0)


def test_a_real_difference_is_significant() -> None:
    """The interval of informative probabilities minus noise excludes zero."""
    gain = paired_differences(LABELS, TIED, NOISE, 200, seed=1)["roc_auc"]
    assert 0 < gain.low < gain.value < gain.high
    tied, noise = (
        compute_metrics(LABELS, predictions, 50, seed=1)["roc_auc"].value
        for predictions in (TIED, NOISE)
    )
    assert gain.value == pytest.approx(tied - noise)
