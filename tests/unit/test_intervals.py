"""Closed-form intervals."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics

from pipeline.model.intervals import (
    Estimate,
    rate_difference,
    rate_interval,
    roc_auc,
    roc_auc_interval,
    student_quantile,
    wilson_interval,
)
from pipeline.storage.artifacts.base import Interval

RANDOM = np.random.default_rng(0)


def test_the_roc_auc_equals_scikit_learns() -> None:
    """Ties count half."""
    labels = RANDOM.integers(0, 2, 300)
    scores = np.round(labels + RANDOM.normal(0, 1, 300), 1)
    expected = sklearn.metrics.roc_auc_score(labels, scores)
    assert roc_auc(labels, scores) == pytest.approx(expected)
    assert roc_auc_interval(labels, scores).value == pytest.approx(expected)


def test_the_interval_has_delongs_variance() -> None:
    """On many rows it equals the one of the formula over all pairs of both classes."""
    labels = np.repeat([0, 1], [800, 400])
    scores = np.round(labels + RANDOM.normal(0, 1, 1200), 1)
    pairs = scores[labels == 1][:, None] - scores[labels == 0]
    correct = (pairs > 0) + 0.5 * (pairs == 0)
    variance = correct.mean(axis=1).var(ddof=1) / 400 + correct.mean(axis=0).var(ddof=1) / 800
    interval = roc_auc_interval(labels, scores)
    assert interval.value == pytest.approx(correct.mean())
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * variance**0.5, rel=0.01)


def test_a_perfect_ranking_of_few_rows_proves_little() -> None:
    """The interval ends at 1 and has a width, which is smaller for more rows."""
    lows = []
    for positives in (5, 50):
        labels = np.repeat([0, 1], [100, positives])
        interval = roc_auc_interval(labels, np.arange(float(labels.size)))
        assert interval.value == 1
        assert interval.high == pytest.approx(1)
        lows.append(interval.low)
    assert 0.5 < lows[0] < 0.9 < lows[1] < 0.99


@pytest.mark.parametrize("degrees", [3, 4, 12, 49, 1000])
def test_the_quantile_is_students(degrees: int) -> None:
    """scipy computes it exactly."""
    assert student_quantile(degrees) == pytest.approx(scipy.stats.t.ppf(0.975, degrees), abs=0.03)


def test_a_rate_without_trials_is_unknown() -> None:
    """Its interval is everything."""
    interval = Estimate(0.0, 0.0).to_interval()
    assert (interval.value, interval.low, interval.high) == (0, 0, 1)


def test_the_difference_of_independent_rates_is_newcombes() -> None:
    """Newcombe (1998), table II, example (a): 56 of 70 and 48 of 80."""
    difference = rate_difference(rate_interval(56, 70), rate_interval(48, 80))
    assert difference.value == pytest.approx(0.2)
    assert (difference.low, difference.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_correlated_rates_have_a_narrower_difference() -> None:
    """Models that agree on most rows are compared more precisely."""
    first, second = rate_interval(40, 50), rate_interval(38, 50)
    independent, paired = (rate_difference(first, second, value) for value in (0.0, 0.8))
    assert independent.low < paired.low < paired.value < paired.high < independent.high


def test_a_variance_factor_counts_fewer_trials() -> None:
    """Twice the variance is that of half the trials."""
    interval = Estimate(0.8, 50).to_interval(2.0)
    assert (interval.low, interval.high) == pytest.approx(wilson_interval(20, 25))


def test_no_negative_zero() -> None:
    """A difference that rounds to zero has a plus sign, whichever side it is on."""
    interval = Interval(value=-0.0001, low=-0.2, high=0.0)
    assert interval.signed == "+0.000 (-0.200 to +0.000)"
