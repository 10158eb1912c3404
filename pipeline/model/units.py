"""Units: rows that stay together when rows are split, such as all rows of a person.

A model recognises a person whose other rows it has learned from, so a figure measured on such rows
promises too much (Kaufman et al., Leakage in Data Mining, ACM TKDD 6, 2012).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipeline.types import FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.model.training_data import TrainingData


def find_units(frame: pd.DataFrame, columns: Sequence[str]) -> IntArray:
    """Number the units of a frame.

    Args:
        frame: The rows.
        columns: Names of columns. Rows with the same value in one of them are in the same unit, and
            so are rows that other rows connect: a person with two tutors joins the units of both. A
            blank value connects nothing.

    Returns:
        The number of each row's unit, shape (n_rows,).
    """
    import pandas as pd
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows = np.arange(len(frame))
    sources, targets, nodes = [], [], len(frame)
    for column in columns:  # connect each row with a node for each of its values
        codes, values = pd.factorize(frame[column])  # -1 for a blank
        known = codes >= 0
        sources.append(rows[known])
        targets.append(codes[known] + nodes)
        nodes += len(values)
    source, target = np.concatenate(sources), np.concatenate(targets)
    graph = coo_array((np.ones(source.size), (source, target)), shape=(nodes, nodes))
    _, components = connected_components(graph, directed=False)
    return np.asarray(components[: len(frame)], dtype=np.int64)


def assign_units(
    labels: IntArray, units: IntArray, fractions: Sequence[float], seed: int
) -> IntArray:
    """Assign each unit to a part, so that the parts have given fractions of each class.

    The units are assigned one after the other, those with the most positive rows first, each to the
    part that lacks most of its rows. Every part gets a row of a class if there are enough units.

    Args:
        labels: 1 for the positive class, shape (n_rows,).
        units: Number of each row's unit, shape (n_rows,).
        fractions: Fraction of the rows in each part; they add up to 1.
        seed: Seed of the order of equal units; equal arguments give equal parts.

    Returns:
        The part of each row, shape (n_rows,).
    """
    _, inverse = np.unique(units, return_inverse=True)
    positives = np.bincount(inverse, labels)
    counts = np.column_stack([np.bincount(inverse) - positives, positives])
    return assign_counts(counts, fractions, seed)[inverse]


def assign_counts(counts: FloatArray, fractions: Sequence[float], seed: int) -> IntArray:
    """Assign units to parts like `assign_units`, by their numbers of rows.

    Args:
        counts: Negative and positive rows of each unit, shape (n_units, 2).
        fractions: Fraction of the rows in each part; they add up to 1.
        seed: Seed of the order of equal units.

    Returns:
        The part of each unit, shape (n_units,).
    """
    shuffled = np.random.default_rng(seed).permutation(len(counts))
    order = shuffled[np.lexsort((-counts[shuffled, 0], -counts[shuffled, 1]))]
    targets = np.outer(fractions, np.maximum(counts.sum(axis=0), 1))
    parts = np.empty(len(counts), dtype=np.int64)
    parts[order] = _assign(counts[order], targets)
    return parts


def _assign(counts: FloatArray, targets: FloatArray) -> list[int]:
    """Assign units with these counts per class to parts with these targets per class."""
    parts = range(len(targets))
    # Plain floats: a million units are assigned one by one.
    wanted: list[list[float]] = targets.tolist()
    totals: list[float] = targets.sum(axis=0).tolist()
    have = [[0.0, 0.0] for _ in parts]
    assigned = []
    for negative, positive in counts.tolist():
        empty = [part for part in parts if have[part][1 if positive else 0] == 0] or parts
        best, largest = 0, -np.inf
        for part in empty:
            lacking = negative / totals[0] * (1 - have[part][0] / wanted[part][0])
            lacking += positive / totals[1] * (1 - have[part][1] / wanted[part][1])
            if lacking > largest:
                best, largest = part, lacking
        have[best][0] += negative
        have[best][1] += positive
        assigned.append(best)
    return assigned


def split_into_folds(
    data: TrainingData, folds: int, repeats: int, seed: int
) -> Iterator[tuple[IntArray, IntArray]]:
    """Split rows into the folds of a stratified, repeated cross-validation.

    Args:
        data: The rows; those of a unit are in the same fold.
        folds: Number of folds.
        repeats: Number of times the rows are split.
        seed: Seed of the folds.

    Yields:
        The indices of the training rows and of the held-out rows of each fold.
    """
    if data.units is None:
        from sklearn.model_selection import RepeatedStratifiedKFold

        splitter = RepeatedStratifiedKFold(n_splits=folds, n_repeats=repeats, random_state=seed)
        yield from splitter.split(data.rows, data.labels)
        return
    for repeat_seed in np.random.SeedSequence(seed).generate_state(repeats).tolist():
        parts = assign_units(data.labels, data.units, [1 / folds] * folds, repeat_seed)
        for fold in range(folds):
            yield np.flatnonzero(parts != fold), np.flatnonzero(parts == fold)


def count_class(labels: IntArray, units: IntArray | None, value: int) -> int:
    """Count the rows of a class, or the units that have such rows.

    Args:
        labels: 1 for the positive class, shape (n_rows,).
        units: Number of each row's unit, shape (n_rows,); None to count the rows.
        value: Label of the class.
    """
    is_in_class = labels == value
    return int(is_in_class.sum()) if units is None else np.unique(units[is_in_class]).size


def count_rarer_class(data: TrainingData) -> int:
    """Return the number of rows, or of units with such rows, of the rarer class."""
    return min(count_class(data.labels, data.units, value) for value in (0, 1))


def draw_subsets(data: TrainingData, count: int, fraction: float, seed: int) -> Iterator[IntArray]:
    """Draw stratified random subsets of rows.

    Args:
        data: The rows; those of a unit are together inside or outside a subset.
        count: Number of subsets.
        fraction: Fraction of the rows in each.
        seed: Seed of the subsets.

    Yields:
        The indices of the rows of each subset.
    """
    if data.units is None:
        from sklearn.model_selection import StratifiedShuffleSplit

        splitter = StratifiedShuffleSplit(count, train_size=fraction, random_state=seed)
        for kept, _ in splitter.split(data.rows, data.labels):
            yield kept
        return
    for subset_seed in np.random.SeedSequence(seed).generate_state(count).tolist():
        parts = assign_units(data.labels, data.units, [fraction, 1 - fraction], subset_seed)
        yield np.flatnonzero(parts == 0)
