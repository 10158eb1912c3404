"""The columns that a drift check compares."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from pipeline.columns import FEATURES, LABEL, PROBABILITY, Feature, Number
from pipeline.drift.counts import Counts
from pipeline.types import FloatArray

Kind = Literal["number", "category"]
Role = Literal["feature", "prediction", "label"]

PREDICTION = PROBABILITY
"""Column of the model's predictions, in the traffic log and in the report."""


@dataclass(frozen=True)
class Column:
    """A column to compare.

    Attributes:
        name: Its name in both data sets.
        kind: Number or category.
        names: Name of each category code.
        step: Resolution of a number; 0 if it has none.
        blank_value: The number that a blank counts as, below all values; None if a blank is no
            value. A category has it among `names`.
        role: What it is to the model.
    """

    name: str
    kind: Kind
    names: Mapping[float, str] = field(default_factory=dict)
    step: float = 0.0
    blank_value: float | None = None
    role: Role = "feature"

    @property
    def decides(self) -> bool:
        """Whether its drift is drift of the data set."""
        return self.role != "label"

    def category_name(self, code: float) -> str:
        """Return the name of a category, or its code if it has no name."""
        return self.names.get(code, f"{code:g}")


def feature_columns() -> list[Column]:
    """Return the features of pipeline/columns.py."""
    return [_to_column(feature) for feature in FEATURES]


def _to_column(feature: Feature) -> Column:
    blank_value = None if feature.required else feature.blank_value
    if isinstance(feature, Number):
        return Column(feature.name, "number", step=feature.step, blank_value=blank_value)
    names = feature.names if blank_value is None else feature.names | {blank_value: "blank"}
    return Column(feature.name, "category", names, blank_value=blank_value)


def fill_blanks(
    column: Column, reference: FloatArray, current: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Replace the blanks of a column that may be blank by one number below all values.

    Args:
        column: The column.
        reference: Its values in the reference, shape (n_reference,).
        current: Its values in the current data, shape (n_current,).

    Returns:
        The values of both sides. Arrays without a blank are returned as they are.
    """
    blanks = [np.isnan(side) for side in (reference, current)]
    if column.blank_value is None or not any(side.any() for side in blanks):
        return reference, current
    smallest = min(float(np.nanmin(side, initial=np.inf)) for side in (reference, current))
    number = min(column.blank_value, smallest - 1)
    filled = (
        np.where(is_blank, number, side)
        for is_blank, side in zip(blanks, (reference, current), strict=True)
    )
    return next(filled), next(filled)


def fill_blank_counts(column: Column, reference: Counts, current: Counts) -> tuple[Counts, Counts]:
    """Count the blanks of a column that may be blank as one number below all values.

    Args:
        column: The column.
        reference: Its values in the reference.
        current: Its values in the current data.

    Returns:
        The counts of both sides. Counts without a blank are returned as they are.
    """
    sides = (reference, current)
    if column.blank_value is None or not any(side.missing for side in sides):
        return sides
    smallest = min((float(side.values[0]) for side in sides if side.rows), default=np.inf)
    number = min(column.blank_value, smallest - 1)
    filled = [
        Counts(
            np.concatenate([[number], side.values]),
            np.concatenate([[side.missing], side.counts]),
            0,
            side.bits,
        )
        if side.missing
        else side
        for side in sides
    ]
    return filled[0], filled[1]


def compared_columns(reference: Collection[str], current: Collection[str]) -> list[Column]:
    """Return the features, and the prediction and the label if both data sets have them.

    Args:
        reference: Names of the reference's columns.
        current: Names of the current data's columns.
    """
    both = set(reference) & set(current)
    prediction = Column(PREDICTION, "number", role="prediction")
    label = Column(LABEL.name, "category", {0.0: LABEL.negative, 1.0: LABEL.positive}, role="label")
    return [*feature_columns(), *(column for column in (prediction, label) if column.name in both)]
