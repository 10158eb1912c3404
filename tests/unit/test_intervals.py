"""Closed-form intervals of a ROC AUC."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics

from pipeline.model.intervals import Z, roc_auc, roc_auc_interval
from pipeline.storage.artifacts import Interval

RANDOM = np.random.default_rng(0)


def test_the_roc_auc_equals_scikit_learns() -> None:
    """Ties count half."""
    labels = RANDOM.integers(0, 2, 300)
    scores = np.round(labels + RANDOM.normal(0, 1, 300), 1)
    expected = sklearn.metrics.roc_auc_score(labels, scores)
    assert roc_auc(labels, scores) == pytest.approx(expected)
    assert roc_auc_interval(labels, scores).value == pytest.approx(expected)


def test_the_interval_has_delongs_variance() -> None:
    """It equals the formula over all pairs of a positive and a negative row."""
    labels = np.repeat([0, 1], [40, 15])
    scores = np.round(labels + RANDOM.normal(0, 1, 55), 1)
    pairs = scores[labels == 1][:, None] - scores[labels == 0]
    correct = (pairs > 0) + 0.5 * (pairs == 0)
    variance = correct.mean(axis=1).var(ddof=1) / 15 + correct.mean(axis=0).var(ddof=1) / 40
    interval = roc_auc_interval(labels, scores)
    assert interval.value == pytest.approx(correct.mean())
    assert interval.high - interval.value == pytest.approx(Z * variance**0.5)
    assert interval.value - interval.low == pytest.approx(Z * variance**0.5)


def test_a_perfect_ranking_stays_within_one() -> None:
    """The interval is cut off at 1."""
    labels = np.repeat([0, 1], 10)
    interval = roc_auc_interval(labels, np.arange(20.0))
    assert (interval.value, interval.high) == (1, 1)


def test_no_negative_zero() -> None:
    """A difference that rounds to zero has a plus sign, whichever side it is on."""
    interval = Interval(value=-0.0001, low=-0.2, high=0.0)
    assert interval.signed == "+0.000 (-0.200 to +0.000)"
