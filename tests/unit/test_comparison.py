"""Metrics and their intervals, against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from pipeline.model.metrics import (
    MetricCalculator,
    Predictions,
    bootstrap_weights,
    compute_metrics,
    paired_differences,
)

_random = np.random.default_rng(0)
LABEL = (_random.random(400) < 0.1).astype(np.int64)
GOOD = Predictions(
    np.round(np.clip(0.3 * LABEL + 0.7 * _random.random(400), 0.0, 1.0), 1).astype(np.float64), 0.5
)
"""Scores of one decimal, so that many are equal."""
NOISE = Predictions(_random.random(400), 0.5)


@pytest.mark.parametrize("scored", [GOOD, NOISE], ids=["good", "noise"])
def test_weighted_metrics_are_scikit_learns(scored: Predictions) -> None:
    """A row drawn n times counts n times, ties and all."""
    weight = _random.integers(0, 4, LABEL.size).astype(float)
    called = scored.probability >= scored.threshold
    got = MetricCalculator(LABEL, scored)(weight)
    expected = {
        "roc_auc": metrics.roc_auc_score(LABEL, scored.probability, sample_weight=weight),
        "pr_auc": metrics.average_precision_score(LABEL, scored.probability, sample_weight=weight),
        "recall": metrics.recall_score(LABEL, called, sample_weight=weight),
        "precision": metrics.precision_score(LABEL, called, sample_weight=weight),
        "balanced_accuracy": metrics.balanced_accuracy_score(LABEL, called, sample_weight=weight),
        "brier": metrics.brier_score_loss(LABEL, scored.probability, sample_weight=weight),
    }
    assert {name: got[name] for name in expected} == pytest.approx(expected)


def test_a_resample_keeps_the_number_of_each_class() -> None:
    """No resample loses the rare rows, and the same seed draws the same ones."""
    drawn = list(bootstrap_weights(LABEL, 20, seed=1))
    for weight in drawn:
        assert (weight[LABEL == 1].sum(), weight.sum()) == (LABEL.sum(), LABEL.size)
    assert all(
        np.array_equal(one, other)
        for one, other in zip(drawn, bootstrap_weights(LABEL, 20, seed=1), strict=True)
    )


def test_a_model_does_not_differ_from_itself() -> None:
    """Paired resamples: all of the interval is zero, where unpaired ones would spread."""
    for interval in paired_differences(LABEL, GOOD, GOOD, 50, seed=1).values():
        assert (interval.value, interval.low, interval.high) == (0, 0, 0)


def test_a_real_difference_shows() -> None:
    """Scores that know the label rank better than noise, and the interval rules out chance."""
    gain = paired_differences(LABEL, GOOD, NOISE, 200, seed=1)["roc_auc"]
    assert 0 < gain.low < gain.value < gain.high
    one, other = (
        compute_metrics(LABEL, scored, 50, seed=1)["roc_auc"].value for scored in (GOOD, NOISE)
    )
    assert gain.value == pytest.approx(one - other)
