"""A sample of the rows of a file has a fixed size, the file's order, and no preference."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.data_check.row_sample import RowSample
from pipeline.types import FloatArray, IntArray

ROWS = 10_000


def sample(block_rows: int, max_values: int, seed: int = 1) -> tuple[FloatArray, IntArray]:
    """Sample the rows (n, -n) with the labels n % 2, for n from 0 to ROWS."""
    found = RowSample(seed, features=2, max_values=max_values)
    numbers = np.arange(ROWS)
    for start in range(0, ROWS, block_rows):
        part = numbers[start : start + block_rows]
        found.add(np.column_stack([part, -part]).astype(float), part % 2)
    return found.take()


@pytest.mark.parametrize("block_rows", [1, 700, ROWS])
def test_blocks_do_not_matter(block_rows: int) -> None:
    """Blocks of any size give the same rows, in their order and with their labels."""
    rows, labels = sample(block_rows, max_values=600)
    assert rows[:, 0].tolist() == sample(93, max_values=600)[0][:, 0].tolist()
    assert len(rows) == 300
    assert (np.diff(rows[:, 0]) > 0).all()
    assert (labels == rows[:, 0] % 2).all()
    assert (rows[:, 1] == -rows[:, 0]).all()


def test_few_rows_are_all_kept() -> None:
    """Nothing is sampled up to the bound."""
    assert sample(700, max_values=2 * ROWS)[0][:, 0].tolist() == list(range(ROWS))


def test_every_place_in_the_file_is_as_likely() -> None:
    """The mean place of 40 samples is within five standard errors of the middle."""
    means = [sample(500, max_values=200, seed=seed)[0][:, 0].mean() for seed in range(40)]
    standard_error = ROWS / np.sqrt(12 * 100 * 40)
    assert abs(np.mean(means) - ROWS / 2) < 5 * standard_error
