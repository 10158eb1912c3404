"""Value counts of a column that are merged from parts."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.drift.columns import Column, fill_blank_counts, fill_blanks
from pipeline.drift.counts import Counts, align, count_values, merge_counts
from pipeline.drift.effect import largest_share_change
from pipeline.drift.methods import kolmogorov_smirnov
from pipeline.types import FloatArray


def merge(values: FloatArray, part_rows: int, max_values: int = 4_000) -> Counts:
    starts = range(0, values.size, part_rows)
    parts = (count_values(values[start : start + part_rows]) for start in starts)
    return merge_counts((merge_counts([part], max_values) for part in parts), max_values)


def is_equal(first: Counts, second: Counts) -> bool:
    return (
        np.array_equal(first.values, second.values)
        and np.array_equal(first.counts, second.counts)
        and (first.missing, first.bits) == (second.missing, second.bits)
    )


def test_few_values_are_counted_exactly() -> None:
    """As if the column had been counted at once, with its blanks."""
    values = np.random.default_rng(0).integers(0, 50, 5_000).astype(float)
    values[::7] = np.nan
    for part_rows in (5_000, 640, 33):
        assert is_equal(merge(values, part_rows), count_values(values))


@pytest.mark.parametrize("part_rows", [9_000, 1_700, 411])
def test_many_values_are_rounded_alike_in_parts_of_any_size(part_rows: int) -> None:
    """The rounding depends on all values of the column, not on those of a part."""
    values = np.random.default_rng(1).normal(size=20_000)
    whole, parts = merge(values, 20_000), merge(values, part_rows)
    assert is_equal(whole, parts)
    assert len(whole.values) <= 4_000
    assert whole.rows == 20_000
    assert whole.mean == pytest.approx(values.mean(), abs=0.02)


def test_rounded_counts_tell_samples_apart_as_exact_ones() -> None:
    """The statistic of rounded values differs little from that of the values."""
    random = np.random.default_rng(2)
    reference, current = random.normal(size=20_000), random.normal(0.05, 1, size=15_000)
    exact = [count_values(side) for side in (reference, current)]
    rounded = align(merge(reference, 3_000), exact[1])
    assert rounded[0].bits == rounded[1].bits < 52
    changes = [largest_share_change("number", *sides) for sides in (exact, rounded)]
    assert changes[1] == pytest.approx(changes[0], abs=0.002)
    p_values = [kolmogorov_smirnov("number", *sides) for sides in (exact, rounded)]
    assert p_values[1] == pytest.approx(p_values[0], rel=0.2)


def test_blanks_are_filled_as_in_rows() -> None:
    """With the same number below all values, on the sides that have blanks."""
    column = Column("x", "number", blank_value=-1.0)
    for reference, current in (
        ([3.0, np.nan, -5.0], [2.0, 2.0]),
        ([1.0], [np.nan, np.nan]),
        ([1.0, 2.0], [3.0]),
    ):
        sides = np.array(reference), np.array(current)
        filled = [count_values(side) for side in fill_blanks(column, *sides)]
        counted = fill_blank_counts(column, *map(count_values, sides))
        assert all(is_equal(first, second) for first, second in zip(filled, counted, strict=True))
