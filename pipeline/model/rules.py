"""Rules of at most two conditions: the baseline that a model has to beat."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.columns import FEATURES, Category
from pipeline.types import BoolArray, FloatArray, IntArray

Comparison = Literal["<", ">=", "is", "is not"]

OPPOSITE: dict[Comparison, Comparison] = {"<": ">=", ">=": "<", "is": "is not", "is not": "is"}
NEGATIONS = ("<", "is not")
"""Comparisons that hold where their opposite does not."""
MAX_CONDITIONS = 400
"""Number of conditions that are tried, each with its opposite and in pairs."""
MAX_CUTS = 50
"""Number of values of a feature that conditions compare with."""


@dataclass(frozen=True)
class Condition:
    """A comparison of one feature with a value; with NaN, whether the feature is blank."""

    feature: int
    comparison: Comparison
    value: float

    def holds(self, rows: FloatArray) -> BoolArray:
        """Whether it holds for each row, shape (n_rows,)."""
        values = rows[:, self.feature]
        if self.comparison in NEGATIONS:
            return ~self.opposite.holds(rows)
        if math.isnan(self.value):
            return np.isnan(values)
        return np.asarray(values >= self.value if self.comparison == ">=" else values == self.value)

    @property
    def opposite(self) -> Condition:
        """The condition that holds for all other rows, blanks included."""
        return Condition(self.feature, OPPOSITE[self.comparison], self.value)

    def __str__(self) -> str:
        feature = FEATURES[self.feature]
        if math.isnan(self.value):
            value = "blank"
        elif isinstance(feature, Category):
            value = feature.names[float(self.value)]
        else:  # rows can be float32: 6.1, and not 6.09999990
            value = np.format_float_positional(np.float32(self.value), trim="-")
        or_blank = " or blank" if self.comparison == "<" and not feature.required else ""
        return f"{feature.name} {self.comparison} {value}{or_blank}"


@dataclass(frozen=True)
class Rule:
    """One condition, or two that are joined by "and" or "or"; it predicts positive if it holds."""

    conditions: tuple[Condition, ...]
    join: Literal["and", "or"] = "and"

    def predict(self, rows: FloatArray) -> BoolArray:
        """Whether each row is predicted positive, shape (n_rows,)."""
        holds = np.array([condition.holds(rows) for condition in self.conditions])
        return np.asarray(holds.all(axis=0) if self.join == "and" else holds.any(axis=0))

    def __str__(self) -> str:
        return f" {self.join} ".join(str(condition) for condition in self.conditions)


def find_best_rule(rows: FloatArray, labels: IntArray) -> Rule:
    """Find the rule with the best balanced accuracy, which is its ROC AUC too.

    All pairs of conditions are tried. A second condition is used only if it helps.

    Args:
        rows: Features in the order of columns.FEATURES, shape (n_rows, n_features).
        labels: 1 for the positive class, shape (n_rows,); both classes must occur.

    Returns:
        The rule with one or two conditions.
    """
    tried = list(_make_conditions(rows))
    conditions = [*tried, *(condition.opposite for condition in tried)]
    sorted_rows = rows[np.argsort(labels, kind="stable")]
    holds = np.array([condition.holds(sorted_rows) for condition in tried], dtype=np.float32)
    negatives, positives = np.split(holds, [int((labels == 0).sum())], axis=1)
    # Youden's index of every pair joined by "and"; the diagonal has the single conditions.
    index = (
        _count_pairs(positives) / positives.shape[1] - _count_pairs(negatives) / negatives.shape[1]
    )
    single = int(np.argmax(np.diagonal(index)))
    best_and = np.unravel_index(int(np.argmax(index)), index.shape)
    # "a or b" holds where "not a and not b" does not: its index is the negative of that.
    best_or = np.unravel_index(int(np.argmin(index)), index.shape)
    found = {
        Rule((conditions[single],)): float(index[single, single]),
        _join([conditions[at] for at in best_and], "and"): float(index[best_and]),
        _join([conditions[at].opposite for at in best_or], "or"): -float(index[best_or]),
    }
    return max(found, key=lambda rule: round(found[rule], 6))


def _count_pairs(holds: NDArray[np.float32]) -> NDArray[np.float32]:
    """Count the rows for which both conditions of each pair hold; exact up to 2**24 rows.

    Args:
        holds: Whether each condition holds for each row, shape (n_conditions, n_rows).

    Returns:
        The counts of every pair of the conditions and, after them, their opposites, shape
        (2 * n_conditions, 2 * n_conditions).
    """
    both = holds @ holds.T
    of_first = np.diagonal(both)[:, None]
    only_first = of_first - both
    neither = holds.shape[1] - of_first - only_first.T
    return np.block([[both, only_first], [only_first.T, neither]])


def _join(conditions: Sequence[Condition], join: Literal["and", "or"]) -> Rule:
    """Return a rule with its conditions in the order of the features."""
    return Rule(tuple(sorted(conditions, key=lambda one: (one.feature, one.value))), join)


def _make_conditions(rows: FloatArray) -> Iterator[Condition]:
    """Conditions on every feature, without their opposites."""
    cuts = min(MAX_CUTS, max(1, MAX_CONDITIONS // len(FEATURES)))
    for index, feature in enumerate(FEATURES):
        values = np.unique(rows[:, index])
        if math.isnan(values[-1]):
            yield Condition(index, "is", math.nan)
            values = values[:-1]
        if isinstance(feature, Category) and not feature.ordered:
            for value in values[:cuts]:
                yield Condition(index, "is", float(value))
        elif values.size > 1:
            kept = np.linspace(1, values.size - 1, min(cuts, values.size - 1)).round().astype(int)
            for value in values[kept]:
                yield Condition(index, ">=", float(value))
