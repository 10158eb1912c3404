"""Sorted value counts of a column, from which all statistics are computed after one sort."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pipeline.types import FloatArray, IntArray


@dataclass(frozen=True)
class Counts:
    """The finite values of a column.

    Attributes:
        values: Distinct values, ascending, shape (n_distinct,).
        counts: How often each occurs, shape (n_distinct,).
        missing: Number of rows without a finite value.
    """

    values: FloatArray
    counts: IntArray
    missing: int = 0

    @property
    def rows(self) -> int:
        """Number of rows with a finite value."""
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        """Mean of the rows."""
        return float((self.values * self.counts).sum() / self.rows)

    @property
    def std(self) -> float:
        """Population standard deviation, the one that Evidently uses."""
        return math.sqrt(float(((self.values - self.mean) ** 2 * self.counts).sum() / self.rows))

    def quantile(self, fraction: float) -> float:
        """Return the smallest value that is at least as large as `fraction` of the rows."""
        index = int(np.searchsorted(np.cumsum(self.counts), fraction * self.rows))
        return float(self.values[min(index, len(self.values) - 1)])

    def cdf(self, points: FloatArray) -> FloatArray:
        """Evaluate the empirical distribution function at `points`, shape (n_points,)."""
        cumulated = np.concatenate(([0], np.cumsum(self.counts)))
        fractions: FloatArray = (
            cumulated[np.searchsorted(self.values, points, side="right")] / self.rows
        )
        return fractions

    def get_counts(self, keys: FloatArray) -> IntArray:
        """Return how often each of `keys` occurs, shape (n_keys,)."""
        index = np.minimum(np.searchsorted(self.values, keys), len(self.values) - 1)
        found: IntArray = np.where(self.values[index] == keys, self.counts[index], 0)
        return found

    def histogram(self, edges: FloatArray) -> IntArray:
        """Count the rows per bin like numpy.histogram: half-open bins, the last one closed.

        Args:
            edges: Ascending edges, shape (n_bins + 1,).

        Returns:
            Counts, shape (n_bins,).
        """
        cumulated = np.concatenate(([0], np.cumsum(self.counts)))
        index = np.searchsorted(self.values, edges, side="left")
        index[-1] = np.searchsorted(self.values, edges[-1], side="right")
        binned: IntArray = np.diff(cumulated[index])
        return binned


def count_values(values: FloatArray) -> Counts:
    """Count the values of a column.

    Args:
        values: The column, shape (n_rows,), which is not changed. NaN and infinity are missing.
    """
    finite = np.sort(values[np.isfinite(values)])
    starts = (
        np.flatnonzero(np.concatenate(([True], finite[1:] != finite[:-1])))
        if len(finite)
        else np.array([], dtype=int)
    )
    return Counts(
        finite[starts], np.diff(np.append(starts, len(finite))), len(values) - len(finite)
    )


def merge_sorted(first: FloatArray, second: FloatArray) -> FloatArray:
    """Merge two ascending arrays; numpy's stable sort merges two runs in one pass."""
    return np.sort(np.concatenate((first, second)), kind="stable")


def union(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return the distinct values of two ascending arrays, ascending."""
    merged = merge_sorted(first, second)
    return merged[np.concatenate(([True], merged[1:] != merged[:-1]))]
