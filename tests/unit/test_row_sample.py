"""A sample of the rows of a table has a fixed size and no preference."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.data_check import row_sample
from pipeline.data_check.row_sample import RowSample
from pipeline.types import IntArray

ROWS = 10_000


def sample(block_rows: int, max_values: int, seed: int = 1) -> IntArray:
    """Sample the numbers below ROWS."""
    found = RowSample(seed, ROWS, features=2, max_values=max_values)
    blocks = [min(block_rows, ROWS - start) for start in range(0, ROWS, block_rows)]
    return np.flatnonzero(np.concatenate([found.choose(rows) for rows in blocks]))


@pytest.mark.parametrize("block_rows", [1, 700, ROWS])
def test_blocks_do_not_matter(block_rows: int) -> None:
    """Blocks of any size give the same rows."""
    rows = sample(block_rows, max_values=600)
    assert rows.tolist() == sample(93, max_values=600).tolist()
    assert len(rows) == 300


def test_a_table_of_many_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many numbers are drawn at a time does not matter."""
    expected = sample(700, max_values=600).tolist()
    monkeypatch.setattr(row_sample, "CHUNK_ROWS", 97)
    assert sample(700, max_values=600).tolist() == expected


def test_few_rows_are_all_kept() -> None:
    """Nothing is sampled up to the bound."""
    assert sample(700, max_values=2 * ROWS).tolist() == list(range(ROWS))


def test_every_place_in_the_file_is_as_likely() -> None:
    """The mean place of 40 samples is within five standard errors of the middle."""
    means = [sample(500, max_values=200, seed=seed).mean() for seed in range(40)]
    standard_error = ROWS / np.sqrt(12 * 100 * 40)
    assert abs(np.mean(means) - ROWS / 2) < 5 * standard_error
