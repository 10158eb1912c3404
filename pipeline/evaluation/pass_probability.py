"""The probability that a model passes a gate, by the true value of its metric.

Everything has a closed form: normal approximations, or the binomial distribution where a gate
counts rows.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from statistics import NormalDist

import numpy as np

from pipeline.evaluation import evidence
from pipeline.gate_table import Statistic
from pipeline.model.intervals import Z, rate_interval

NUMBERS = {
    Statistic.VALUE: "value",
    Statistic.POINT: "value",
    Statistic.LOWER: "low",
    Statistic.UPPER: "high",
}
"""The attribute of a Measurement or an Interval for each statistic."""
SIGNS = {"value": 0, "low": -1, "high": 1}
"""By number: whether it is below or above the estimate."""


def pass_probability(
    truth: float,
    bound: float,
    statistic: Statistic,
    error: Callable[[float], float],
    quantile: float = Z,
) -> float:
    """Probability that a normally distributed estimate passes a `min_` gate.

    An end of an interval of Wilson's kind meets the bound if the estimate is at a distance of
    `quantile` standard errors of a model at the bound.

    Args:
        truth: The true value of the model's metric.
        bound: The smallest number that passes.
        statistic: The number that the gate compares.
        error: Standard error of the estimate, by the true value.
        quantile: Quantile of the interval.
    """
    at_bound, own = (error(min(max(value, -1.0), 1.0)) for value in (bound, truth))
    distance = truth - bound + SIGNS[NUMBERS[statistic]] * quantile * at_bound
    return NormalDist().cdf(distance / own) if own > 0 else float(distance >= 0)


def recall_pass_probability(
    truth: float, bound: float, statistic: Statistic, positives: int
) -> float:
    """Probability that a model's recall passes a `min_` gate, by the binomial distribution.

    Args:
        truth: The true recall.
        bound: The smallest number that passes.
        statistic: The number that the gate compares.
        positives: Number of positive test rows.
    """

    def get_number(found: int) -> float:
        number: float = getattr(rate_interval(found, positives), NUMBERS[statistic])
        return number

    fewest = bisect_left(range(positives + 1), bound, key=get_number)
    return binomial_tail(fewest, positives, truth)


def evidence_pass_probability(
    truth: float, needed: float, margin: float, units: int, std: float
) -> float:
    """Probability that the e-value of units is large enough.

    Each unit's difference is assumed to be one standard deviation above or below the mean, with
    equal probability. The e-value of many units depends on their mean and variance only.

    Args:
        truth: The true difference in ROC AUC.
        needed: The e-value that passes.
        margin: Loss in ROC AUC that is accepted.
        units: Number of units.
        std: Standard deviation of the units' differences.
    """
    ends = np.clip([[truth + std], [truth - std]], -1, 1)
    above, below = evidence.log_growth(ends, margin)

    def get_e_value(number_above: int) -> float:
        growths = number_above * above + (units - number_above) * below
        return float(evidence.e_value(growths))

    fewest = bisect_left(range(units + 1), needed, key=get_e_value)
    return binomial_tail(fewest, units, 0.5)


def binomial_tail(fewest: int, trials: int, rate: float) -> float:
    """Probability of at least `fewest` successes in `trials`, each with the probability `rate`."""
    if fewest <= 0 or rate >= 1:
        return float(fewest <= trials)
    if fewest > trials or rate <= 0:
        return 0.0
    factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, trials + 1)))])
    successes = np.arange(fewest, trials + 1)
    logarithms = (
        factorials[trials]
        - factorials[successes]
        - factorials[trials - successes]
        + successes * math.log(rate)
        + (trials - successes) * math.log1p(-rate)
    )
    return min(float(np.exp(logarithms).sum()), 1.0)
