"""The simulated years of weekly retraining in docs/reference/gates.md."""

from __future__ import annotations

import pytest

from tests.bench import promotion
from tests.bench.cached import read_results
from tests.bench.tables import find, show


def test_the_page_shows_the_stored_results() -> None:
    """The table of docs/reference/gates.md is that of tests/bench/results/promotion.json."""
    results = read_results(promotion.NAME)[promotion.NAME]["results"]
    assert find(promotion.PAGE, promotion.NAME)[1] == promotion.tabulate(results)


@pytest.mark.bench
@pytest.mark.timeout(3_600)
def test_worse_models_seldom_serve() -> None:
    """In at most 5 % of the years, a model serves that is worse by 0.02 than its predecessor."""
    results = promotion.read_or_simulate()
    show(promotion.tabulate(results))
    assert max(row["served_worse"] for row in results) <= 0.05


@pytest.mark.bench
@pytest.mark.timeout(3_600)
def test_better_models_are_promoted() -> None:
    """A recipe that is better by 0.05 is in production within the year in 95 % of the years."""
    gains = [row for row in promotion.read_or_simulate() if row["gain"] >= 0.05]
    assert min(row["promoted"] for row in gains if row["path"] != "six recipes") >= 0.95
