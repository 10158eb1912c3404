"""Sorted value counts of a column, from which all statistics are computed after one sort."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pipeline.types import FloatArray, IntArray

MANTISSA_BITS = 52
PRECISIONS = (MANTISSA_BITS, 20, 18, 16, 14, 12, 10, 8, 6)
"""Bits of a value's fraction that are kept while counts are merged, the most first."""
MAX_VALUES = 1 << 15
"""Distinct values of merged counts; with more, values are rounded towards zero to fewer bits."""


@dataclass(frozen=True)
class Counts:
    """The finite values of a column.

    Attributes:
        values: Distinct values, ascending, shape (n_distinct,).
        counts: How often each occurs, shape (n_distinct,).
        missing: Number of rows without a finite value.
        bits: Bits of each value's fraction; one of PRECISIONS.
    """

    values: FloatArray
    counts: IntArray
    missing: int = 0
    bits: int = MANTISSA_BITS

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


def merge_counts(parts: Iterable[Counts], max_values: int = MAX_VALUES) -> Counts:
    """Merge the counts of parts of a column.

    The result depends on the rows only, not on how they are divided: the values have the first of
    PRECISIONS with which all rows together have at most `max_values` distinct ones.

    Args:
        parts: Counts of the parts; at least one.
        max_values: Most distinct values.
    """
    merged: Counts | None = None
    for part in parts:
        if merged is None:
            merged = round_counts(part, part.bits)
        else:
            bits = min(merged.bits, part.bits)
            sides = [round_counts(side, bits) for side in (merged, part)]
            merged = _sum_equal(
                np.concatenate([side.values for side in sides]),
                np.concatenate([side.counts for side in sides]),
                merged.missing + part.missing,
                bits,
            )
        for bits in PRECISIONS:
            if len(merged.values) > max_values and bits < merged.bits:
                merged = round_counts(merged, bits)
    assert merged is not None
    return merged


def round_counts(counts: Counts, bits: int) -> Counts:
    """Round values towards zero, to a number of bits of their fraction.

    Args:
        counts: The counts; those with as few bits are returned as they are.
        bits: One of PRECISIONS. With 12 bits, a value changes by less than 0.025 %.
    """
    if bits >= counts.bits:
        return counts
    dropped = MANTISSA_BITS - bits
    kept = (counts.values.view(np.int64) >> dropped) << dropped
    return _sum_equal(kept.view(np.float64), counts.counts, counts.missing, bits)


def align(first: Counts, second: Counts) -> tuple[Counts, Counts]:
    """Return two counts with the same bits of their values, so that these can be compared."""
    bits = min(first.bits, second.bits)
    return round_counts(first, bits), round_counts(second, bits)


def _sum_equal(values: FloatArray, counts: IntArray, missing: int, bits: int) -> Counts:
    """Counts of values that may be repeated."""
    distinct, inverse = np.unique(values, return_inverse=True)
    summed = np.zeros(distinct.size, dtype=np.int64)
    np.add.at(summed, inverse, counts)
    return Counts(distinct, summed, missing, bits)


def merge_sorted(first: FloatArray, second: FloatArray) -> FloatArray:
    """Merge two ascending arrays; numpy's stable sort merges two runs in one pass."""
    return np.sort(np.concatenate((first, second)), kind="stable")


def union(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return the distinct values of two ascending arrays, ascending."""
    merged = merge_sorted(first, second)
    return merged[np.concatenate(([True], merged[1:] != merged[:-1]))]
