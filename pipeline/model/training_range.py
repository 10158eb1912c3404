"""Warns of values that are valid but outside what the model learned from.

A model extrapolates for such values, and its probability is not reliable.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from operator import le
from typing import NamedTuple

import numpy as np

from pipeline.columns import FEATURES, HAS_BLANKS, Category, Feature
from pipeline.model.bundle import TrainingFacts
from pipeline.types import Float32Array

Value = float | int | str
"""A number, or a category's name."""


class RangeWarning(NamedTuple):
    """A value outside what the model learned from.

    Attributes:
        field: Name of the feature.
        value: The value; None for a blank.
        learned_from: Smallest and largest number, or names of the categories.
    """

    field: str
    value: Value | None
    learned_from: list[Value]

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.field} is blank, but the model learned from no blank"
        # Without the value: predictions of lists are stored without the key of the person.
        if isinstance(self.value, str):
            names = ", ".join(map(str, self.learned_from))
            known = f"not among {names}"
        else:
            low, high = self.learned_from
            known = f"outside {low} to {high}"
        return f"{self.field} is {known}, which the model learned from"


Warnings = tuple[RangeWarning, ...]


class TrainingRange:
    """The values that a model learned from.

    Args:
        facts: The bundle's description of its training rows. Without it, the typical ranges of
            the columns file and all categories.
    """

    def __init__(self, facts: TrainingFacts | None) -> None:
        known = [
            facts.values[feature.name] if facts else _typical_values(feature)
            for feature in FEATURES
        ]
        self._lows = tuple(map(min, known))
        self._highs = tuple(map(max, known))
        self._low = np.array(self._lows, np.float32)
        self._high = np.array(self._highs, np.float32)
        # The other categories are between the lowest and the highest code.
        self._unseen = [
            (index, np.array(values, np.float32))
            for index, (feature, values) in enumerate(zip(FEATURES, known, strict=True))
            if isinstance(feature, Category) and len(values) < len(feature.codes)
        ]
        self.learned_blanks = facts.blanks if facts else []
        """Names of the features that are blank in some of the training rows."""
        self._has_blanks = np.array([feature.name in self.learned_blanks for feature in FEATURES])
        self.learned_from: dict[str, list[Value]] = {
            feature.name: [_to_value(feature, value) for value in values]
            for feature, values in zip(FEATURES, known, strict=True)
        }
        """By feature: smallest and largest number, or names of the categories."""

    def contains(self, row: Sequence[float]) -> bool:
        """Whether the model learned from such values; false if only `check` can tell.

        It takes a tenth of the time of `check` for one row.
        """
        inside = all(map(le, self._lows, row)) and all(map(le, row, self._highs))
        return inside and not self._unseen

    def check(self, rows: Float32Array) -> dict[int, Warnings]:
        """Return the warnings by index of the row; most rows have none.

        Args:
            rows: Valid rows, shape (n_rows, n_features).
        """
        outside = (rows < self._low) | (rows > self._high)
        for index, codes in self._unseen:
            outside[:, index] = ~np.isin(rows[:, index], codes)
        if HAS_BLANKS:
            is_blank = np.isnan(rows)
            outside = np.where(is_blank, ~self._has_blanks, outside)
        if not outside.any():
            return {}
        found: dict[int, Warnings] = {}
        for row, column in np.argwhere(outside).tolist():
            feature = FEATURES[column]
            given = float(str(rows[row, column]))
            value = None if math.isnan(given) else _to_value(feature, given)
            warning = RangeWarning(feature.name, value, self.learned_from[feature.name])
            found[row] = (*found.get(row, ()), warning)
        return found


def to_json(warnings: Warnings) -> str:
    """Return the warnings of one row as a JSON array."""
    return json.dumps([warning._asdict() for warning in warnings], separators=(",", ":"))


def rows_to_json(warnings: Iterable[Warnings]) -> str:
    """Return the warnings of several rows as a JSON array, each with the index of its row."""
    listed = [
        {"row": row} | warning._asdict()
        for row, warned in enumerate(warnings)
        for warning in warned
    ]
    return json.dumps(listed, separators=(",", ":"))


def _typical_values(feature: Feature) -> list[float]:
    given = feature.codes.values() if isinstance(feature, Category) else feature.typical
    return [float(value) for value in given]


def _to_value(feature: Feature, value: float) -> Value:
    if isinstance(feature, Category):
        return feature.names[value]
    return int(value) if value.is_integer() else value
