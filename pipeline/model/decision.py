"""The decision rule: which probabilities are predicted positive."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

from pipeline.columns import LABEL, SUBJECTS

if TYPE_CHECKING:
    from pipeline.types import BoolArray, FloatArray

DIGITS = 7
"""Decimals of a returned probability, which is the precision of float32. The threshold is rounded
to as many, so that a probability equal to the trained model's threshold is equal here too."""


@overload
def is_positive(probability: float, threshold: float) -> bool: ...
@overload
def is_positive(probability: FloatArray, threshold: float | FloatArray) -> BoolArray: ...
def is_positive(probability: float | FloatArray, threshold: float | FloatArray) -> bool | BoolArray:
    """Whether a probability is predicted positive: it is if it is at least the threshold.

    Args:
        probability: One probability, or an array of them.
        threshold: The model's threshold, or those of several models.

    Returns:
        A bool, or an array of bools with the shape of `probability`.
    """
    return probability >= threshold


def label_name(probability: float, threshold: float) -> str:
    """Return the name of the label that is predicted for a probability."""
    return LABEL.positive if is_positive(probability, threshold) else LABEL.negative


def describe_flagged_below_rate(fraction: float | None) -> str:
    """Describe a threshold below the average risk, in a sentence without a full stop.

    Args:
        fraction: Fraction of the flagged training rows whose probability is below the rate of
            positive rows; None if it is unknown.

    Returns:
        The sentence; empty if there are no such rows.
    """
    if not fraction:
        return ""
    return (
        f"{fraction:.1%} of the {SUBJECTS} that are flagged have a lower risk than the average, "
        "because the threshold is below the overall rate"
    )
