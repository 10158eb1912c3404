"""Closed-form 95 % intervals: of a rate (Wilson) and of a ROC AUC (DeLong)."""

from __future__ import annotations

import math

import numpy as np

from pipeline.storage.artifacts import Interval
from pipeline.types import FloatArray, IntArray

Z = 1.959964
"""Normal quantile of a 95 % interval."""


def wilson_interval(successes: float, trials: float, z: float = Z) -> tuple[float, float]:
    """Return the interval of a rate, which is accurate for few trials too.

    Args:
        successes: Number of successes.
        trials: Number of trials, at least 1.
        z: Normal quantile of the interval's level; that of 95 % by default.

    Returns:
        Lower and upper end.

    Reference: Wilson, Probable Inference, the Law of Succession, and Statistical Inference,
    Journal of the American Statistical Association 22 (1927).
    """
    rate, spread = successes / trials, z * z / trials
    center = rate + spread / 2
    margin = z * math.sqrt(rate * (1 - rate) / trials + spread / (4 * trials))
    return (center - margin) / (1 + spread), (center + margin) / (1 + spread)


def rate_interval(successes: float, trials: float, z: float = Z) -> Interval:
    """A rate with its interval by Wilson's method.

    Args:
        successes: Number of successes.
        trials: Number of trials, at least 1.
        z: Normal quantile of the interval's level; that of 95 % by default.
    """
    low, high = wilson_interval(successes, trials, z)
    rate = successes / trials
    return Interval(value=rate, low=min(low, rate), high=max(high, rate))  # rounding errors


def rate_difference(first: Interval, second: Interval) -> Interval:
    """The difference of two independent rates with its interval, of the level of theirs.

    Args:
        first: A rate with its interval by Wilson's method.
        second: The rate to subtract, measured on other rows, with its interval.

    Returns:
        First minus second.

    Reference: Newcombe, Interval Estimation for the Difference between Independent Proportions:
    Comparison of Eleven Methods, Statistics in Medicine 17 (1998), method 10.
    """
    value = first.value - second.value
    below = math.hypot(first.value - first.low, second.high - second.value)
    above = math.hypot(first.high - first.value, second.value - second.low)
    return Interval(value=value, low=value - below, high=value + above)


def midranks(values: FloatArray) -> FloatArray:
    """Ranks from 1; equal values share the mean of their ranks, shape (n_values,)."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: FloatArray = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return ranks


def roc_auc(labels: IntArray, scores: FloatArray) -> float:
    """Fraction of pairs of a positive and a negative row that are ranked correctly.

    Args:
        labels: 1 for the positive class, shape (n_rows,); both classes must occur.
        scores: Score of each row, shape (n_rows,); ties count half.

    Returns:
        The ROC AUC, from 0 to 1.
    """
    positives = int(labels.sum())
    ranks = float(midranks(scores)[labels == 1].sum())
    return (ranks - positives * (positives + 1) / 2) / (positives * (labels.size - positives))


def roc_auc_interval(labels: IntArray, scores: FloatArray) -> Interval:
    """ROC AUC with its 95 % interval by DeLong's variance, cut off at 0 and 1.

    Args:
        labels: 1 for the positive class, shape (n_rows,); both classes must occur twice.
        scores: Score of each row, shape (n_rows,).

    References: DeLong et al., Comparing the Areas under Two or More Correlated Receiver Operating
    Characteristic Curves, Biometrics 44 (1988), computed from ranks as in Sun and Xu, Fast
    Implementation of DeLong's Algorithm, IEEE Signal Processing Letters 21 (2014).
    """
    is_positive = labels == 1
    ranks = midranks(scores)
    # Of each row, the fraction of rows of the other class that it is ranked correctly against.
    above = (ranks[is_positive] - midranks(scores[is_positive])) / np.sum(~is_positive)
    below = 1 - (ranks[~is_positive] - midranks(scores[~is_positive])) / np.sum(is_positive)
    area = float(above.mean())
    variance = above.var(ddof=1) / above.size + below.var(ddof=1) / below.size
    margin = Z * math.sqrt(float(variance))
    return Interval(value=area, low=max(area - margin, 0.0), high=min(area + margin, 1.0))
