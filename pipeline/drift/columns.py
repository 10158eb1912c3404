"""The columns that a drift check compares."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pipeline.columns import FEATURES, LABEL, PROBABILITY, Number

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
        role: What it is to the model.
    """

    name: str
    kind: Kind
    names: Mapping[float, str] = field(default_factory=dict)
    step: float = 0.0
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
    return [
        Column(feature.name, "number", step=feature.step)
        if isinstance(feature, Number)
        else Column(feature.name, "category", feature.names)
        for feature in FEATURES
    ]


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
