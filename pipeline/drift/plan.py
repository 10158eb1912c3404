"""Choose the method and the threshold that compare a column.

The rule is the same for all numbers of rows: a p-value below the threshold after the adjustment of
decisions.py, and a change of at least `drift.min_effect`. The setting `evidently` chooses as
Evidently does (evidently.legacy.calculations.stattests, 0.7.23).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.drift.columns import Column, Kind
from pipeline.drift.counts import Counts, union
from pipeline.drift.effect import largest_share_change
from pipeline.drift.methods import METHODS, Method

if TYPE_CHECKING:
    from pipeline.settings.drift import DriftSettings

MAX_TESTED_ROWS = 1_000
"""Evidently uses tests up to this many reference rows, and distances above."""
MAX_CATEGORICAL_VALUES = 5
"""A number with at most this many distinct values is compared as a category."""


@dataclass(frozen=True)
class Plan:
    """How a column is compared.

    Attributes:
        column: The column.
        kind: What its values are compared as.
        method: The method.
        distinct: Number of distinct values, exact up to MAX_CATEGORICAL_VALUES.
        threshold: The score that decides, see `Method.is_drift`.
        min_effect: Smallest change that counts as drift, see `largest_share_change`.
        overrides_default: Whether Evidently would choose another method.
    """

    column: Column
    kind: Kind
    method: Method
    distinct: int
    threshold: float
    min_effect: float
    overrides_default: bool

    def score(self, reference: Counts, current: Counts) -> float:
        """Return the score of the column."""
        return self.method.score(self.kind, reference, current)

    def effect(self, reference: Counts, current: Counts) -> float:
        """Return the size of the column's change."""
        return largest_share_change(self.kind, reference, current)

    def is_drift(self, score: float, effect: float) -> bool:
        """Return whether the score and the effect mean drift."""
        return self.method.is_drift(score, self.threshold) and effect >= self.min_effect


def plan_comparison(
    column: Column, reference: Counts, current: Counts, settings: DriftSettings
) -> Plan:
    """Choose the method and the threshold for a column.

    Args:
        column: The column.
        reference: Values of the reference.
        current: Values of the current data.
        settings: Methods and thresholds.
    """
    distinct = max(len(reference.values), len(current.values))
    if distinct <= MAX_CATEGORICAL_VALUES:
        distinct = len(union(reference.values, current.values))
    is_number = column.kind == "number" and distinct > MAX_CATEGORICAL_VALUES
    kind: Kind = "number" if is_number else "category"
    default = evidently_default_method(kind, distinct, reference.rows)
    name: str = settings.numeric_method if is_number else settings.categorical_method
    method = METHODS[default if name == "evidently" else name]
    is_test = method.statistic == "p-value"
    common = settings.max_false_positive_rate if is_test else settings.distance_threshold
    return Plan(
        column,
        kind,
        method,
        distinct,
        threshold=settings.thresholds.get(column.name, common),
        min_effect=settings.min_effect if is_test else 0.0,
        overrides_default=method.name != default,
    )


def evidently_default_method(kind: Kind, distinct: int, rows: int) -> str:
    """Return the name of the method that Evidently chooses.

    Args:
        kind: What the values are compared as.
        distinct: Number of distinct values in both data sets together.
        rows: Number of reference rows.
    """
    if rows > MAX_TESTED_ROWS:
        return "wasserstein" if kind == "number" else "jensenshannon"
    if kind == "number":
        return "ks"
    return "chisquare" if distinct > 2 else "z"
