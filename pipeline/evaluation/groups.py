"""Results by group: the categories of a feature, and the ranges of a number.

Groups are measured out of fold where that is possible: the cross-validation of `train` predicts
every training row with a model that did not learn from it, so a group has several times the
positive rows that it has in the test split.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from pipeline.column_file.roles import Group
from pipeline.columns import ROLES, ROW_COLUMNS, Category, Feature
from pipeline.evaluation.predictions import SplitPredictions, get_units
from pipeline.model.arrays import label_array
from pipeline.model.clusters import get_design_factor
from pipeline.model.intervals import Z, rate_difference, rate_interval
from pipeline.storage.artifacts.base import Interval
from pipeline.storage.artifacts.evaluation import GroupMetrics
from pipeline.types import BoolArray, FloatArray, IntArray

MIN_NEGATIVES = 20
"""A group with fewer negative rows has no meaningful false positive rate."""
MAX_REPORTED_GROUPS = 50
"""Most groups of a column such as the tutor that are reported: the largest ones."""


@dataclass(frozen=True)
class GroupRate:
    """A rate in one group, with its 95 % interval."""

    group: str
    rate: Interval


@dataclass(frozen=True, eq=False)
class GroupRows:
    """Labelled rows in groups, with predictions of models that did not learn from these rows.

    Attributes:
        groups: Name of each group -> whether each row belongs to it, shape (n_rows,).
        labels: 1 for the positive class, shape (n_rows,).
        predicted_positive: Fraction of the predictions for each row that are positive, shape
            (n_rows,): 0 or 1 with one prediction per row.
        probability: Mean predicted probability of each row, shape (n_rows,).
        source: What the rows are, for people.
        variance_factor: By how much the variance of a rate exceeds that of independent rows.
        reported: Groups such as classes and tutors, in the form of `groups`. They are reported, but
            neither gates nor comparisons judge them: of many small groups, some are bad by chance.
        units: Number of each row's unit, shape (n_rows,); see pipeline/model/units.py. None if all
            rows are independent.
    """

    groups: Mapping[str, BoolArray]
    labels: IntArray
    predicted_positive: FloatArray
    probability: FloatArray
    source: str
    variance_factor: float = 1.0
    reported: Mapping[str, BoolArray] = field(default_factory=dict)
    units: IntArray | None = None

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        predicted_positive: FloatArray,
        probability: FloatArray,
        source: str,
        variance_factor: float = 1.0,
    ) -> GroupRows:
        """Divide gold rows into groups.

        Args:
            frame: Rows with every feature and the label, and the audit-only columns and groups if
                the rows were written when the columns file had them.
            predicted_positive: Fraction of the predictions for each row that are positive.
            probability: Mean predicted probability of each row.
            source: What the rows are, for people.
            variance_factor: By how much the variance of a rate exceeds that of independent rows.
        """
        return cls(
            find_groups(frame, ROW_COLUMNS),
            label_array(frame),
            predicted_positive,
            probability,
            source,
            variance_factor,
            find_reported_groups(frame, ROLES.groups),
            get_units(frame),
        )

    def measure_rate(self, mask: BoolArray, z: float = Z) -> Interval | None:
        """Measure how many of some rows are predicted positive.

        Args:
            mask: Whether each row counts, shape (n_rows,).
            z: Normal quantile of the interval's level; that of 95 % by default.

        Returns:
            The rate with its interval; None without rows.
        """
        if not mask.any():
            return None
        rate = float(self.predicted_positive[mask].mean())
        trials = float(mask.sum()) / self.variance_factor
        if self.units is not None:
            _, unit = np.unique(self.units[mask], return_inverse=True)
            deviations = self.predicted_positive[mask] - rate
            trials /= get_design_factor(deviations, np.ones(unit.size), unit)
        return rate_interval(rate * trials, trials, z)


def take_test_rows(model: SplitPredictions) -> GroupRows:
    """Return a model's test rows, for want of out-of-fold predictions.

    Args:
        model: The model and its test rows.
    """
    return GroupRows.from_frame(
        model.frame,
        predicted_positive=model.predictions.positive.astype(np.float64),
        probability=model.predictions.probability,
        source="test rows, because the lake has no out-of-fold predictions of this model",
    )


def find_groups(frame: pd.DataFrame, columns: Sequence[Feature]) -> dict[str, BoolArray]:
    """Divide rows into groups.

    Args:
        frame: The rows.
        columns: Columns whose values divide the rows; those that the frame lacks are left out.

    Returns:
        Name of each group -> whether each row belongs to it, shape (n_rows,). The groups of a
        column do not overlap and cover all rows. A column without `has_groups` has none.
    """
    groups: dict[str, BoolArray] = {}
    for column in columns:
        if column.name not in frame or not column.has_groups:
            continue
        values = frame[column.name].to_numpy(np.float64)
        if isinstance(column, Category):
            groups |= {
                f"{column.name} {name}": np.isclose(values, code)
                for name, code in column.codes.items()
            }
        else:
            edges = (-math.inf, *column.group_edges, math.inf)
            for low, high in itertools.pairwise(edges):
                name = f"under {high:g}" if low == -math.inf else f"from {low:g}"
                groups[f"{column.name} {name}"] = (values >= low) & (values < high)
        if not column.required:
            groups[f"{column.name} blank"] = np.isnan(values)
    return groups


def find_reported_groups(frame: pd.DataFrame, columns: Sequence[Group]) -> dict[str, BoolArray]:
    """Divide rows into groups such as classes and tutors.

    Args:
        frame: The rows.
        columns: Columns whose values are the groups; those that the frame lacks are left out.

    Returns:
        Name of each group -> whether each row belongs to it, shape (n_rows,): the
        MAX_REPORTED_GROUPS largest of a column, by name. A row with a blank belongs to none.
    """
    groups: dict[str, BoolArray] = {}
    for column in columns:
        if column.name not in frame:
            continue
        values = frame[column.name]
        largest = values.value_counts().sort_index().nlargest(MAX_REPORTED_GROUPS)
        groups |= {
            f"{column.name} {name}": (values == name).to_numpy(bool)
            for name in sorted(largest.index)
        }
    return groups


def measure_groups(rows: GroupRows) -> list[GroupMetrics]:
    """Measure a model in every group that has any of the rows.

    Args:
        rows: The rows, with predictions.

    Returns:
        The results of each group.
    """
    positive = rows.labels == 1
    return [
        GroupMetrics(
            name=name,
            rows=int(mask.sum()),
            positives=int((mask & positive).sum()),
            recall=rows.measure_rate(mask & positive),
            false_positive_rate=rows.measure_rate(mask & ~positive),
            positive_rate=rate_interval(float(rows.labels[mask].sum()), float(mask.sum())),
            mean_probability=float(rows.probability[mask].mean()),
        )
        for name, mask in {**rows.groups, **rows.reported}.items()
        if mask.any()
    ]


def find_lowest_recall(rows: GroupRows, min_positives: int) -> GroupRate | None:
    """Find the group with the lowest recall.

    Args:
        rows: The rows, with predictions.
        min_positives: Groups with fewer positive rows are left out.

    Returns:
        The group whose recall has the lowest upper end; None if every group is left out.
    """
    masks = _select_groups(rows, rows.labels == 1, min_positives)
    recalls = (GroupRate(name, rate) for name, mask in masks if (rate := rows.measure_rate(mask)))
    return min(recalls, key=lambda group: group.rate.high, default=None)


def find_highest_false_positive_rate(rows: GroupRows) -> GroupRate | None:
    """Find the group whose false positive rate exceeds that of all rows the most.

    The gap to all rows is the gap to the rows outside the group, times their fraction, so that its
    interval follows from two rates that share no row.

    Args:
        rows: The rows, with predictions.

    Returns:
        The group whose gap has the highest lower end, with that gap; None if every group has too
        few negative rows.
    """
    negative = rows.labels == 0
    gaps = []
    for name, mask in _select_groups(rows, negative, MIN_NEGATIVES):
        others = negative & ~mask
        inside = rows.measure_rate(mask)
        outside = rows.measure_rate(others)
        if inside and outside:
            gap, weight = rate_difference(inside, outside), float(others.sum() / negative.sum())
            scaled = Interval(
                value=gap.value * weight, low=gap.low * weight, high=gap.high * weight
            )
            gaps.append(GroupRate(name, scaled))
    return max(gaps, key=lambda group: group.rate.low, default=None)


def _select_groups(
    rows: GroupRows, of_class: BoolArray, min_rows: int
) -> Iterator[tuple[str, BoolArray]]:
    """The rows of a class in each group that has enough of them."""
    for name, mask in rows.groups.items():
        if (mask & of_class).sum() >= max(min_rows, 1):
            yield name, mask & of_class
