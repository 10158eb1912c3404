"""The drift check on many rows, compared with plain Evidently, and its false positive rate."""

from __future__ import annotations

import pytest

from pipeline.settings import DriftSettings
from tests.bench import drift


@pytest.mark.bench
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("columns", [5, 33])
def test_many_rows(columns: int) -> None:
    """A million rows get Evidently's scores in a tenth of its CPU time and within 2 GiB."""
    found = drift.scale(columns)
    assert drift.difference(found) < 1e-6
    assert found["ours"]["cpu_seconds"] * 10 <= found["plain"]["cpu_seconds"]
    assert found["ours"]["mebibytes"] < 2_048


@pytest.mark.bench
@pytest.mark.timeout(900)
@pytest.mark.parametrize("reference", drift.REFERENCES)
@pytest.mark.parametrize("size", [DriftSettings().min_rows, 1_000])
def test_false_positive_rate(reference: int, size: int) -> None:
    """With the defaults, drift is reported for at most 5 % of the windows without drift."""
    rate = drift.drift_rate(DriftSettings(), reference, size, lambda frame: frame, seed=1)
    assert rate <= 0.05
