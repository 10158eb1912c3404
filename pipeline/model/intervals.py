"""Closed-form 95 % intervals of rates, of a ROC AUC, and of differences.

Every interval of a metric between 0 and 1 is Wilson's, at the effective number of rows: the number
of independent yes-or-no answers that would give the estimate the same variance (for rates in
surveys: Franco et al., Comparative Study of Confidence Intervals for Proportions in Complex Sample
Surveys, Journal of Survey Statistics and Methodology 7, 2019). Such an interval is right for few
rows too, stays between 0 and 1, and has a width even if every answer is right.
docs/reference/model-quality.md shows by simulation how often each interval covers the truth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pipeline.storage.artifacts.base import Interval
from pipeline.types import FloatArray, IntArray

Z = 1.959964
"""Normal quantile of a 95 % interval."""


@dataclass(frozen=True)
class Estimate:
    """A metric between 0 and 1 that was measured on a sample of rows.

    Attributes:
        value: The estimate.
        trials: Effective number of rows; 0 if the value is a convention without any.
        quantile: Quantile of the interval: normal, or Student's where the variance is estimated
            from few rows.
        max_trials: Highest number of rows that an interval may count, for any variance.
    """

    value: float
    trials: float
    quantile: float = Z
    max_trials: float = math.inf

    def to_interval(self, variance_factor: float = 1.0) -> Interval:
        """The estimate with its 95 % interval.

        Args:
            variance_factor: By how much the variance exceeds that of a sample of these rows.
        """
        if self.trials == 0:
            return Interval(value=self.value, low=0.0, high=1.0)
        trials = min(self.trials / variance_factor, self.max_trials)
        low, high = wilson_interval(self.value * trials, trials, self.quantile)
        # The value can exceed the ends by a rounding error.
        return Interval(value=self.value, low=min(low, self.value), high=max(high, self.value))


def wilson_interval(successes: float, trials: float, z: float = Z) -> tuple[float, float]:
    """Return the interval of a rate, which is accurate for few trials too.

    Args:
        successes: Number of successes.
        trials: Number of trials, more than 0.
        z: Normal quantile of the interval's level; that of 95 % by default.

    Returns:
        Lower and upper end.

    Reference: Wilson, Probable Inference, the Law of Succession, and Statistical Inference,
    Journal of the American Statistical Association 22 (1927).
    """
    rate, spread = successes / trials, z * z / trials
    center = rate + spread / 2
    margin = z * math.sqrt(max(rate * (1 - rate), 0.0) / trials + spread / (4 * trials))
    return (center - margin) / (1 + spread), (center + margin) / (1 + spread)


def rate_interval(successes: float, trials: float, z: float = Z) -> Interval:
    """A rate with its interval by Wilson's method.

    Args:
        successes: Number of successes.
        trials: Number of trials, more than 0.
        z: Normal quantile of the interval's level; that of 95 % by default.
    """
    return Estimate(successes / trials, trials, z).to_interval()


def student_quantile(degrees: int) -> float:
    """Return the quantile of a 95 % interval of Student's distribution.

    Args:
        degrees: Degrees of freedom; fewer than 3 count as 3, where the error is below 0.03.

    Reference: Abramowitz and Stegun, Handbook of Mathematical Functions (1964), formula 26.7.5.
    """
    nu = max(degrees, 3)
    terms = (
        (Z**3 + Z) / 4,
        (5 * Z**5 + 16 * Z**3 + 3 * Z) / 96,
        (3 * Z**7 + 19 * Z**5 + 17 * Z**3 - 15 * Z) / 384,
    )
    return Z + sum(term / float(nu**power) for power, term in enumerate(terms, start=1))


def rate_difference(first: Interval, second: Interval, correlation: float = 0.0) -> Interval:
    """The difference of two rates, with its interval from theirs and of the same level.

    Args:
        first: A rate with its interval by Wilson's method.
        second: The rate to subtract, with its interval.
        correlation: Correlation of both rates; 0 if they were measured on different rows.

    Returns:
        First minus second.

    References: Newcombe, Interval Estimation for the Difference between Independent Proportions,
    method 10, and Improved Confidence Intervals for the Difference between Binomial Proportions
    Based on Paired Data, method 8, Statistics in Medicine 17 (1998).
    """

    def get_margin(own: float, other: float) -> float:
        return math.sqrt(max(own**2 + other**2 - 2 * correlation * own * other, 0.0))

    value = first.value - second.value
    below = get_margin(first.value - first.low, second.high - second.value)
    above = get_margin(first.high - first.value, second.value - second.low)
    return Interval(value=value, low=value - below, high=value + above)


def average_intervals(first: Interval, second: Interval) -> Interval:
    """The mean of two independent estimates, with its interval from theirs.

    Args:
        first: An estimate with its interval.
        second: Another estimate, measured on other rows.

    Reference: Zou and Donner, Construction of Confidence Limits about Effect Measures, Statistics
    in Medicine 27 (2008).
    """
    value = (first.value + second.value) / 2
    below = math.hypot(first.value - first.low, second.value - second.low) / 2
    above = math.hypot(first.high - first.value, second.high - second.value) / 2
    return Interval(value=value, low=value - below, high=value + above)


def get_variance_factor(folds: int) -> float:
    """By how much the variance of a cross-validation exceeds that of as many test rows.

    The models of the folds differ from the one that is fitted on all rows, and share rows with
    each other. Nadeau and Bengio correct the variance of the mean over k folds from s/k to
    s (1/k + 1/(k - 1)), where s is the variance of one fold. That is for a training set of that
    size, not for the model that is fitted on all rows, whose value the intervals are meant to
    contain. In simulations of logistic regressions they do so in 92 to 98 % of the data sets with
    the second term only, so the factor is k/(k - 1).

    Args:
        folds: Folds of one repetition, at least 2.

    Reference: Nadeau and Bengio, Inference for the Generalization Error, Machine Learning 52
    (2003).
    """
    return folds / (folds - 1)


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


def get_placements(labels: IntArray, scores: FloatArray) -> FloatArray:
    """Of each row, the fraction of rows of the other class that it is ranked correctly against.

    Args:
        labels: 1 for the positive class, shape (n_rows,); both classes must occur.
        scores: Score of each row, shape (n_rows,); ties count half.

    Returns:
        Fractions, shape (n_rows,). Their mean over either class is the ROC AUC.

    Reference: Sun and Xu, Fast Implementation of DeLong's Algorithm, IEEE Signal Processing
    Letters 21 (2014).
    """
    is_positive = labels == 1
    ranks = midranks(scores)
    placements = np.empty(labels.size)
    above = ranks[is_positive] - midranks(scores[is_positive])
    below = ranks[~is_positive] - midranks(scores[~is_positive])
    placements[is_positive] = above / np.sum(~is_positive)
    placements[~is_positive] = 1 - below / np.sum(is_positive)
    return placements


def estimate_roc_auc(labels: IntArray, placements: FloatArray, weights: FloatArray) -> Estimate:
    """Estimate a ROC AUC, or the mean of several, with DeLong's variance.

    One row of each class, ranked at random (placement 0.5), is added, so that the variance is not
    zero if the ranking is perfect.

    Args:
        labels: 1 for the positive class, shape (n_rows,); both classes must occur.
        placements: Placement of each row, shape (n_rows,).
        weights: Weight of each row, shape (n_rows,); the sum over each class is 1.

    Reference: DeLong et al., Comparing the Areas under Two or More Correlated Receiver Operating
    Characteristic Curves, Biometrics 44 (1988).
    """
    is_positive = labels == 1
    value = min(float((weights * placements)[is_positive].sum()), 1.0)  # rounding errors
    variance = 0.0
    for rows in (is_positive, ~is_positive):
        squares = weights[rows] ** 2
        variance += float((squares * (placements[rows] - value) ** 2).sum())
        variance += float(squares.sum()) / (squares.size + 1) * (0.5 - value) ** 2
    positives = int(labels.sum())
    smoothed = (value * positives + 0.5) / (positives + 1)
    trials = smoothed * (1 - smoothed) / variance if variance > 0 else float(positives)
    return Estimate(value, trials, student_quantile(min(positives, labels.size - positives) - 1))


def roc_auc_interval(labels: IntArray, scores: FloatArray) -> Interval:
    """ROC AUC with its 95 % interval; see `estimate_roc_auc`.

    Args:
        labels: 1 for the positive class, shape (n_rows,); both classes must occur.
        scores: Score of each row, shape (n_rows,).
    """
    weights = np.where(labels == 1, 1 / labels.sum(), 1 / (labels.size - labels.sum()))
    return estimate_roc_auc(labels, get_placements(labels, scores), weights).to_interval()
