"""The decision rule: from which probability a row gets the positive label."""

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
    """Whether a row is predicted positive; a probability equal to the threshold is.

    Args:
        probability: One probability, or an array of shape (n_rows,).
        threshold: The model's threshold.

    Returns:
        A bool, or an array of bools of the same shape.
    """
    return probability >= threshold


def label_name(probability: float, threshold: float) -> str:
    """The name of the label that is answered for `probability`."""
    return LABEL.positive if is_positive(probability, threshold) else LABEL.negative
