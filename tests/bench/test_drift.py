"""The drift check on many rows, compared with plain Evidently, and its simulated error rates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.settings.drift import DriftSettings
from tests.bench import drift, drift_power, drift_scale, drift_years
from tests.bench.cached import measure, read_results
from tests.bench.tables import find, show

PART = pytest.mark.parametrize("part", list(drift.PARTS))


def simulated(part: str) -> list[dict[str, Any]]:
    """Print and return a part's results; simulated again if the code that it measures changed."""
    simulation, format_results = drift.PARTS[part]
    found: list[dict[str, Any]] = measure("drift", part, drift.hash_measured_code(part), simulation)
    show(format_results(found))
    return found


@PART
def test_the_page_shows_the_stored_results(part: str) -> None:
    """Each table of docs/reference/drift.md is that of tests/bench/results/drift.json."""
    expected = drift.PARTS[part][1](read_results("drift")[part]["results"])
    assert find(drift.PAGE, part)[1] == expected


@pytest.mark.bench
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("columns", [5, 33])
def test_many_rows(columns: int) -> None:
    """A million rows get Evidently's scores in a tenth of its CPU time and within 2 GiB."""
    found = drift_scale.scale(columns)
    assert drift_scale.difference(found) < 1e-6
    assert found["ours"]["cpu_seconds"] * 10 <= found["plain"]["cpu_seconds"]
    assert found["ours"]["mebibytes"] < 2_048


@pytest.mark.bench
@pytest.mark.timeout(3_600)
def test_false_positives() -> None:
    """Over all references, the rate is as set, within the error of the simulation."""
    rate = DriftSettings().max_false_positive_rate
    rates = [row["rates"][0] for row in simulated("rates")]
    assert np.mean(rates) <= rate * 1.5


@pytest.mark.bench
@pytest.mark.timeout(3_600)
def test_power() -> None:
    """More rows find as much or more, up to the simulation's error, for every kind and effect."""
    found = simulated("power")
    for kind in {row["kind"] for row in found}:
        for reference in {row["reference"] for row in found}:
            rates = np.array(
                [
                    row["rates"]
                    for row in found
                    if (row["kind"], row["reference"]) == (kind, reference)
                ]
            )
            assert (np.diff(rates, axis=0) >= -0.1).all(), (kind, reference)


@pytest.mark.bench
@pytest.mark.timeout(3_600)
def test_joint_power() -> None:
    """500 rows find a reversed correlation, and a perfectly opposed pair of features."""
    rates = {(row["reference"], row["rows"]): row["rates"] for row in simulated("joint")}
    for correlations in ((0.3, -0.3), (0.0, -1.0)):
        index = drift_power.CORRELATIONS.index(correlations)
        assert rates[750, 500][index] >= 0.95


@pytest.mark.bench
@pytest.mark.timeout(3_600)
def test_false_positives_of_a_year() -> None:
    """A year of daily checks without drift has at most 2 false alarms on average."""
    bound = DriftSettings().max_false_positive_rate
    for row in simulated("years"):
        assert np.mean(drift_years.count_false_positives(row, bound)) <= 2


@pytest.mark.bench
@pytest.mark.timeout(3_600)
def test_intervals_of_the_expected_performance() -> None:
    """Under covariate shift, 90 % of the intervals contain what the labels give."""
    for row in simulated("quality"):
        assert row["windows"] >= 200
        if row["shift"] <= 0.3:
            assert min(row["rates"].values()) >= 0.9
