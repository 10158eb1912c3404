"""What the verdict of a gate can show with the rows at hand: its power.

A *good* model is better than the bound by a stated distance, a *bad* one worse by the same:
RATE_DISTANCE for a metric, DIFFERENCE_DISTANCE for a difference from the champion. A ROC AUC below
that of a random ranking counts as random. Everything has a closed form, see pass_probability.py.

The probabilities are for fresh test rows with as many rows of each class as these. They are those
of one gate; a model has to pass all.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from pipeline.evaluation import evidence
from pipeline.evaluation.pass_probability import (
    evidence_pass_probability,
    pass_probability,
    recall_pass_probability,
)
from pipeline.gate_table import DIFFERENCE_DISTANCE, RATE_DISTANCE, Statistic
from pipeline.model.expected_error import expect_roc_auc_error
from pipeline.model.intervals import Z, student_quantile
from pipeline.storage.artifacts.base import Interval
from pipeline.storage.artifacts.gates import Power

CONFIDENCE = 0.8
"""Probability with which the smallest gain or loss is found."""
RANDOM_RANKING = 0.5
DECIMALS = 4
STEPS = 30
"""Halvings of a search; each loses a bit."""

PassProbability = Callable[[float], float]
"""Probability that a model passes a gate, by the true value of its metric."""


def roc_auc_power(bound: float, statistic: Statistic, positives: int, negatives: int) -> Power:
    """Return the power of a gate on ROC AUC.

    Args:
        bound: The smallest number that passes.
        statistic: The number that the gate compares.
        positives: Number of positive test rows.
        negatives: Number of negative test rows.
    """
    quantile = student_quantile(min(positives, negatives) - 1)

    def passes(truth: float) -> float:
        return pass_probability(
            truth,
            bound,
            statistic,
            lambda auc: expect_roc_auc_error(auc, positives, negatives),
            quantile,
        )

    return _describe(passes, bound, statistic, RATE_DISTANCE, RANDOM_RANKING)


def recall_power(bound: float, statistic: Statistic, positives: int, negatives: int = 0) -> Power:
    """Return the power of a gate on recall.

    Args:
        bound: The smallest number that passes.
        statistic: The number that the gate compares.
        positives: Number of positive test rows.
        negatives: Number of negative test rows, on which recall does not depend.
    """

    def passes(truth: float) -> float:
        return recall_pass_probability(truth, bound, statistic, positives)

    return _describe(passes, bound, statistic, RATE_DISTANCE)


def balanced_accuracy_power(
    bound: float, statistic: Statistic, positives: int, negatives: int
) -> Power:
    """Return the power of a gate on balanced accuracy, at equal recall and specificity.

    Args:
        bound: The smallest number that passes.
        statistic: The number that the gate compares.
        positives: Number of positive test rows.
        negatives: Number of negative test rows.
    """

    def error(rate: float) -> float:
        return math.sqrt(max(rate * (1 - rate), 0.0) * (1 / positives + 1 / negatives)) / 2

    def passes(truth: float) -> float:
        return pass_probability(truth, bound, statistic, error)

    return _describe(passes, bound, statistic, RATE_DISTANCE)


def difference_power(bound: float, statistic: Statistic, difference: Interval) -> Power | None:
    """Return the power of a gate on a difference from the champion on the same rows.

    Args:
        bound: The smallest number that passes.
        statistic: The number that the gate compares.
        difference: The measured difference, whose width gives the standard error.

    Returns:
        The power; None if the models do not differ, so that no standard error is known.
    """
    error = (difference.high - difference.low) / (2 * Z)
    if error == 0:
        return None

    def passes(truth: float) -> float:
        return pass_probability(truth, bound, statistic, lambda _: error)

    return _describe(passes, bound, statistic, DIFFERENCE_DISTANCE, lowest=-1.0)


def evidence_power(bound: float, number: int, margin: float, units: int, std: float) -> Power:
    """Return the power of evidence against the champion, if it had to decide on these rows.

    Args:
        bound: The smallest corrected e-value that passes.
        number: Position of the challenge among those of the year.
        margin: Loss in ROC AUC that is accepted.
        units: Number of independent comparisons in all looks, at least 1.
        std: Standard deviation of their differences in ROC AUC.
    """

    def passes(truth: float) -> float:
        needed = bound / evidence.correction(number)
        return evidence_pass_probability(truth, needed, margin, units, std)

    return Power(
        refuse_good=_round(1 - passes(DIFFERENCE_DISTANCE)),
        accept_bad=_round(passes(-DIFFERENCE_DISTANCE)),
        smallest_gain=_round(_search(lambda gain: passes(gain) >= CONFIDENCE, 1.0)),
    )


def _describe(
    passes: PassProbability,
    bound: float,
    statistic: Statistic,
    distance: float,
    lowest: float = 0.0,
) -> Power:
    """The power of a gate, whose metric is between `lowest` and 1."""
    power = Power(
        refuse_good=_round(1 - passes(min(bound + distance, 1.0))),
        accept_bad=_round(passes(max(bound - distance, min(lowest, bound)))),
    )
    if statistic is Statistic.UPPER:
        loss = _search(lambda loss: passes(bound - loss) <= 1 - CONFIDENCE, bound - lowest)
        return power.model_copy(update={"smallest_loss": _round(loss)})
    gain = _search(lambda gain: passes(bound + gain) >= CONFIDENCE, 1 - bound)
    return power.model_copy(update={"smallest_gain": _round(gain)})


def _search(is_found: Callable[[float], bool], largest: float) -> float:
    """The smallest distance from the bound that is found; 1 if none is."""
    if largest < 0 or not is_found(largest):
        return 1.0
    low, high = 0.0, largest
    if is_found(low):
        return low
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if is_found(middle) else (middle, high)
    return high


def _round(probability: float) -> float:
    return round(probability, DECIMALS) + 0.0  # + 0.0 turns -0.0 into 0.0
