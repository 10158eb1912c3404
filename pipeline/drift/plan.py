"""Choose the method and the threshold that compare a column.

The default choice is Evidently's (evidently.legacy.calculations.stattests, 0.7.23).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.drift.columns import Column, Kind
from pipeline.drift.counts import Counts, union
from pipeline.drift.methods import METHODS, Method

if TYPE_CHECKING:
    from pipeline.settings import DriftSettings

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
        threshold: The score that decides, see `Method.is_drift`.
        overrides_default: Whether Evidently would choose another method.
    """

    column: Column
    kind: Kind
    method: Method
    threshold: float
    overrides_default: bool

    def evaluate(self, reference: Counts, current: Counts) -> tuple[float, bool]:
        """Return the score of the column, and whether it means drift."""
        score = self.method.score(self.kind, reference, current)
        return score, self.method.is_drift(score, self.threshold)


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
    if name == "evidently":
        name = default
    elif name == "auto":
        name = evidently_default_method(kind, distinct, min(reference.rows, current.rows))
        # Evidently's chi-square test treats the reference's fractions as exact, so its false
        # positive rate grows with the number of current rows.
        name = "jensenshannon" if name == "chisquare" else name
    method = METHODS[name]
    common = (
        settings.p_value_threshold if method.statistic == "p-value" else settings.distance_threshold
    )
    threshold = settings.thresholds.get(column.name, common)
    return Plan(column, kind, method, threshold, overrides_default=name != default)


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
