"""Aggregate rows, so that what is stored with a model has no row of a person.

Reference: LeFevre, DeWitt and Ramakrishnan, Mondrian Multidimensional K-Anonymity, ICDE 2006.
"""

from __future__ import annotations

import math

import numpy as np

from pipeline.column_file.blanks import BLANK
from pipeline.columns import FEATURES, Category, Feature, Number
from pipeline.types import Float32Array, FloatArray, IntArray

MIN_ROWS = 5
"""Fewest rows that a stored number is the mean of."""
DECIMALS = 6


def aggregate_rows(rows: Float32Array, max_groups: int, seed: int) -> Float32Array:
    """Divide rows into groups of MIN_ROWS similar rows, and make one row of each group.

    Small groups vary nearly as much as single rows do. A number is the mean of its group, without
    blanks. A category is that of a row of the group, drawn for each feature separately. A value is
    blank if most of the group's are.

    Args:
        rows: Rows, shape (n_rows, n_features).
        max_groups: Largest number of groups that are returned; of more, groups at equal distances
            in the order of the division, so that every region has its share.
        seed: Seed of the drawn categories and of the order.

    Returns:
        One row per group in a random order, shape (n_groups, n_features): what changes a value to
        that of the next row (serving/model/importance.py) must not find a similar one.
    """
    random = np.random.default_rng(seed)
    every = _divide(_standardize(rows), np.arange(len(rows)), max(1, len(rows) // MIN_ROWS))
    count = min(max_groups, len(every))
    groups = [every[(2 * place + 1) * len(every) // (2 * count)] for place in range(count)]
    columns = [
        [_aggregate(feature, rows[group, index], random) for group in groups]
        for index, feature in enumerate(FEATURES)
    ]
    return random.permutation(np.array(columns, np.float32).T)


def _standardize(rows: Float32Array) -> FloatArray:
    """Columns with mean 0 and standard deviation 1, in which a blank is the mean."""
    blank = np.isnan(rows)
    known = np.maximum((~blank).sum(axis=0), 1)
    values = np.where(blank, 0.0, rows).astype(np.float64)
    centered = np.where(blank, 0.0, values - values.sum(axis=0) / known)
    deviation = np.sqrt((centered**2).sum(axis=0) / known)
    standardized: FloatArray = centered / np.where(deviation > 0, deviation, 1.0)
    return standardized


def _divide(spread: FloatArray, indices: IntArray, count: int) -> list[IntArray]:
    """Divide rows into groups of nearly equal size, along the column in which they differ most."""
    if count == 1:
        return [indices]
    column = int(np.argmax(spread[indices].std(axis=0)))
    ordered = indices[np.argsort(spread[indices, column], kind="stable")]
    first = count // 2
    cut = len(ordered) * first // count
    return _divide(spread, ordered[:cut], first) + _divide(spread, ordered[cut:], count - first)


def _aggregate(feature: Feature, values: Float32Array, random: np.random.Generator) -> float:
    """The value of a feature for a group."""
    known = values[~np.isnan(values)]
    if known.size <= values.size // 2:
        return BLANK
    if isinstance(feature, Category):
        return float(random.choice(known))
    return round(float(known.mean(dtype=np.float64)), DECIMALS)


def find_range(feature: Number, values: Float32Array) -> tuple[float, float]:
    """Return the range of a number without its outliers.

    Each end is the mean of the MIN_ROWS outermost values, rounded outwards to the step of the
    feature.

    Args:
        feature: The feature.
        values: Its values without blanks, shape (n_rows,).

    Returns:
        Both ends; those of the typical range if there are too few values.
    """
    if values.size < MIN_ROWS:
        return feature.typical[0], feature.typical[1]
    ordered = np.sort(values).astype(np.float64)
    steps = ordered[:MIN_ROWS].mean() / feature.step, ordered[-MIN_ROWS:].mean() / feature.step
    low, high = math.floor(round(steps[0], DECIMALS)), math.ceil(round(steps[1], DECIMALS))
    return round(low * feature.step, DECIMALS), round(high * feature.step, DECIMALS)
