"""Results by group: the categories of a feature, and the ranges of a number."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.columns import FEATURES, Category
from pipeline.model.intervals import wilson_interval
from pipeline.model.metrics import Predictions
from pipeline.storage.artifacts import GroupMetrics, Interval
from pipeline.types import BoolArray, FloatArray, IntArray

MIN_NEGATIVES = 20
"""A group with fewer negative rows has no meaningful false positive rate."""


@dataclass(frozen=True)
class GroupRate:
    """A rate in one group, with its 95 % interval."""

    group: str
    rate: Interval


def find_groups(features: FloatArray) -> dict[str, BoolArray]:
    """Divide rows into groups.

    Args:
        features: Features in the order of columns.FEATURES, shape (n_rows, n_features).

    Returns:
        Name of each group -> whether each row belongs to it, shape (n_rows,). A feature's groups
        do not overlap and cover all rows. A number without group edges has no groups.
    """
    groups: dict[str, BoolArray] = {}
    for index, feature in enumerate(FEATURES):
        values = features[:, index]
        if isinstance(feature, Category):
            groups |= {
                f"{feature.name} {name}": np.isclose(values, code)
                for name, code in feature.codes.items()
            }
        elif feature.group_edges:
            edges = (-math.inf, *feature.group_edges, math.inf)
            for low, high in itertools.pairwise(edges):
                name = f"under {high:g}" if low == -math.inf else f"from {low:g}"
                groups[f"{feature.name} {name}"] = (values >= low) & (values < high)
    return groups


def measure_groups(
    features: FloatArray, labels: IntArray, predictions: Predictions
) -> list[GroupMetrics]:
    """Measure a model in every group that has any of the rows.

    Args:
        features: Features in the order of columns.FEATURES, shape (n_rows, n_features).
        labels: 1 for the positive class, shape (n_rows,).
        predictions: The model's predictions for those rows.

    Returns:
        The results of each group.
    """
    positive, predicted = labels == 1, predictions.positive
    return [
        GroupMetrics(
            name=name,
            rows=int(mask.sum()),
            positives=int((mask & positive).sum()),
            predicted_positive=int((mask & predicted).sum()),
            true_positives=int((mask & positive & predicted).sum()),
            mean_probability=float(predictions.probability[mask].mean()),
        )
        for name, mask in find_groups(features).items()
        if mask.any()
    ]


def lowest_group_recall(
    groups: Mapping[str, BoolArray],
    labels: IntArray,
    predicted_positive: BoolArray,
    min_positives: int,
) -> GroupRate | None:
    """Find the group with the lowest recall.

    Args:
        groups: Whether each row belongs to a group, shape (n_rows,), by name of the group.
        labels: 1 for the positive class, shape (n_rows,).
        predicted_positive: Whether each row is predicted positive, shape (n_rows,).
        min_positives: Groups with fewer positive rows are left out.

    Returns:
        The group whose recall has the lowest upper end; None if every group is left out.
    """
    recalls = _rates(groups, labels == 1, predicted_positive, min_positives)
    return min(recalls, key=lambda group: group.rate.high, default=None)


def group_false_positive_rate_gap(
    groups: Mapping[str, BoolArray], labels: IntArray, predicted_positive: BoolArray
) -> GroupRate | None:
    """Find the group whose false positive rate exceeds that of all rows the most.

    Args:
        groups: Whether each row belongs to a group, shape (n_rows,), by name of the group.
        labels: 1 for the positive class, shape (n_rows,).
        predicted_positive: Whether each row is predicted positive, shape (n_rows,).

    Returns:
        The group whose false positive rate has the highest lower end, with that rate minus the
        rate of all rows; None if every group has too few negative rows.
    """
    negative = labels == 0
    overall = float((predicted_positive & negative).sum() / negative.sum())
    rates = _rates(groups, negative, predicted_positive, MIN_NEGATIVES)
    highest = max(rates, key=lambda group: group.rate.low, default=None)
    if highest is None:
        return None
    rate = highest.rate
    gap = Interval(value=rate.value - overall, low=rate.low - overall, high=rate.high - overall)
    return GroupRate(highest.group, gap)


def _rates(
    groups: Mapping[str, BoolArray],
    of_class: BoolArray,
    predicted_positive: BoolArray,
    min_rows: int,
) -> Iterator[GroupRate]:
    """Return the rate of rows of a class that are predicted positive, in each group with enough."""
    for name, mask in groups.items():
        trials = int((mask & of_class).sum())
        if trials >= max(min_rows, 1):
            successes = int((mask & of_class & predicted_positive).sum())
            low, high = wilson_interval(successes, trials)
            yield GroupRate(name, Interval(value=successes / trials, low=low, high=high))
