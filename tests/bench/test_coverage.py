"""How often the 95 % intervals of metrics cover the truth, by simulation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from pipeline.model.metrics import compute_metrics
from tests.bench import coverage, coverage_exact, coverage_linear
from tests.bench.cached import measure, read_results
from tests.bench.coverage_simulation import Results
from tests.bench.tables import find, show

PART = pytest.mark.parametrize("part", list(coverage.PARTS))
RANGE = (0.92, 0.98)
"""Coverage that counts as 95 % of the data sets."""
CONSERVATIVE = {"precision", "brier"}
"""Metrics whose intervals cover more if the number of positive rows is fixed."""


def simulate(part: str) -> list[Results]:
    """Print and return a part's results; simulated again if the code that it measures changed."""
    simulation, format_results = coverage.PARTS[part]
    found: list[Results] = measure("coverage", part, coverage.hash_measured_code(), simulation)
    show(format_results(found))
    return found


def list_coverages(result: Results) -> Iterator[tuple[str, str, float]]:
    """What was measured (metrics or differences), the metric, and its coverage."""
    for kind in coverage.KINDS:
        for name, (covered, _) in result[kind].items():
            yield kind, name, covered


@PART
def test_the_page_shows_the_stored_results(part: str) -> None:
    """Each table of model-quality.md is that of tests/bench/results/coverage.json."""
    expected = coverage.PARTS[part][1](read_results("coverage")[part]["results"])
    assert find(coverage.PAGE, part)[1] == expected


@pytest.mark.bench
@pytest.mark.timeout(3_600)
def test_intervals_on_test_rows_cover_the_truth() -> None:
    """With rows at random all of them do; fixed positive rows only make some too wide."""
    low, high = RANGE
    for result in simulate("test_rows"):
        for kind, name, covered in list_coverages(result):
            is_conservative = result["fixed"] and kind == "metrics" and name in CONSERVATIVE
            assert low <= covered <= (1 if is_conservative else high), (result, kind, name)


@pytest.mark.bench
@pytest.mark.timeout(3_600)
def test_intervals_of_a_cross_validation_cover_the_truth() -> None:
    """For the model that is fitted on all rows."""
    low, high = RANGE
    for result in simulate("cross_validation"):
        for kind, name, covered in list_coverages(result):
            if kind == "metrics" or name in coverage.REPORTED:
                assert low <= covered <= high, (result, kind, name)


@pytest.mark.parametrize("width", [1, 5])
def test_the_exact_metrics_are_those_of_many_rows(width: int) -> None:
    """The simulation compares with the integrals; 200,000 rows differ by their own error."""
    random = np.random.default_rng(0)
    rows, labels = coverage_linear.draw_rows(random, 1_000)
    model = coverage_linear.fit(rows[:, :width], labels)
    exact = coverage_linear.compute_exact_metrics(model)
    rows, labels = coverage_linear.draw_rows(random, 200_000)
    for name, measured in compute_metrics(labels, model.predict(rows)).items():
        assert abs(measured.value - exact[name]) < measured.high - measured.low


def test_the_page_shows_the_coverage_of_recall_on_few_rows() -> None:
    """The exact coverage with 13 positive rows, which is too low for similar models."""
    coverages = list(coverage_exact.list_coverages())
    found = f"from {min(coverages):.0%} to {max(coverages):.0%}"
    assert found in " ".join(coverage.PAGE.read_text().split())
