"""What a prediction means, in words. The page has the same sentences in several languages."""

from __future__ import annotations

import math

from pipeline.columns import LABEL, SUBJECTS

RAREST = 0.001
"""A smaller probability is described as fewer than 1 in 1,000."""


def describe_risk(probability: float, average: float, *, is_flagged: bool, is_outside: bool) -> str:
    """Describe a probability as a frequency, next to the average.

    Args:
        probability: Probability of the positive outcome.
        average: Rate of the positive outcome.
        is_flagged: Whether the label is the positive outcome.
        is_outside: Whether the model did not learn from such values: then nothing is known about
            how often such rows are positive.
    """
    if is_outside:
        return "The model did not learn from such values, so this risk says little."
    odds = "Fewer than 1 in 1,000" if probability < RAREST else f"About {format_odds(probability)}"
    predicate = f"{LABEL.predicate}; on average, {format_odds(average)} do."
    sentence = f"{odds} {SUBJECTS} with such values {predicate}"
    if is_flagged and probability < average:
        sentence += " The threshold is below the average risk."
    return sentence


def format_odds(probability: float) -> str:
    """Format a probability as a natural frequency: "1 in 9", "4 in 10"."""
    if probability >= 0.3:
        return f"{_round(10 * probability)} in 10"
    return f"1 in {_round(1 / max(probability, RAREST)):,}"


def _round(value: float) -> int:
    """Round half up, as JavaScript does."""
    return math.floor(value + 0.5)
