"""The simulated pairs of models in docs/reference/gates.md."""

from __future__ import annotations

import pytest

from tests.bench import shadow
from tests.bench.cached import read_results
from tests.bench.tables import find, show


def test_the_page_shows_the_stored_results() -> None:
    """The table of docs/reference/gates.md is that of tests/bench/results/shadow.json."""
    results = read_results(shadow.NAME)[shadow.NAME]["results"]
    assert find(shadow.PAGE, shadow.NAME)[1] == shadow.tabulate(results)


@pytest.mark.bench
@pytest.mark.timeout(3_600)
def test_honest_pairs_pass() -> None:
    """At most 5 % of the honest pairs are refused, and most models with unrelated labels."""
    results = shadow.read_or_simulate()
    show(shadow.tabulate(results))
    assert min(row["passed"] for row in results) >= 0.95
    assert min(row["refused"] for row in results) >= 0.6
