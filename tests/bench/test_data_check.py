"""Time of the data check, compared with reading the file.

A thousand rows may take 1 s and a million 10 s. Those bounds are for an idle machine with two
cores, so the test bounds a ratio; docs/reference/data-stages.md has the measured times.
"""

from __future__ import annotations

import time

import pytest

from pipeline.console import print_table
from pipeline.data.cells import parse_csv
from pipeline.data.contract import validate_rows
from pipeline.data.synthetic import generate_csv
from pipeline.data_check.check import check_data
from pipeline.model.arrays import feature_array, label_array
from pipeline.settings import Settings

SIZES = (1_000, 100_000, 1_000_000)


@pytest.mark.bench
@pytest.mark.timeout(600)
def test_data_check() -> None:
    """A million rows take less than 100 times as long as a thousand."""
    seconds: dict[int, float] = {}
    for rows in SIZES:
        valid, _ = validate_rows(parse_csv(generate_csv(rows, 1)))
        features, labels = feature_array(valid), label_array(valid)
        attempts = []
        for _ in range(3):
            start = time.perf_counter()
            check_data(features, labels, Settings(), "0" * 64)
            attempts.append(time.perf_counter() - start)
        seconds[rows] = min(attempts)
    print_table(
        "The data check, best of 3",
        tuple(f"{rows:,} rows" for rows in SIZES),
        [tuple(f"{seconds[rows]:.2f} s" for rows in SIZES)],
    )
    assert seconds[SIZES[-1]] < 100 * seconds[SIZES[0]]
