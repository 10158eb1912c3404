"""The decision rule: which probabilities are predicted positive."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

from pipeline.columns import LABEL

if TYPE_CHECKING:
    from pipeline.types import BoolArray, FloatArray


@overload
def is_positive(probability: float, threshold: float) -> bool: ...
@overload
def is_positive(probability: FloatArray, threshold: float) -> BoolArray: ...
def is_positive(probability: float | FloatArray, threshold: float) -> bool | BoolArray:
    """Whether a probability is predicted positive: it is if it is at least the threshold.

    Args:
        probability: One probability, or an array of shape (n_rows,).
        threshold: The model's threshold.

    Returns:
        A bool, or an array of bools with the shape of `probability`.
    """
    return probability >= threshold


def label_name(probability: float, threshold: float) -> str:
    """Return the name of the label that is predicted for a probability."""
    return LABEL.positive if is_positive(probability, threshold) else LABEL.negative
