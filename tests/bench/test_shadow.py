"""The simulated pairs of models in docs/reference/gates.md."""

from __future__ import annotations

import pytest

from tests.bench import shadow
from tests.bench.cached import read_results
from tests.bench.tables import find, show


def check(results: shadow.Results) -> None:
    """At most 5 % of the honest pairs are refused, and on the survey few unrelated labels."""
    for row in results:
        for live_rows in shadow.LIVE_ROWS:
            assert row[str(live_rows)]["passed"] >= 0.95, row
            assert results[0][str(live_rows)]["unrelated"] < 0.5


def test_the_page_shows_the_stored_results() -> None:
    """The table of docs/reference/gates.md is that of tests/bench/results/shadow.json."""
    results = read_results(shadow.NAME)[shadow.NAME]["results"]
    assert find(shadow.PAGE, shadow.NAME)[1] == shadow.tabulate(results)
    check(results)


@pytest.mark.bench
@pytest.mark.timeout(3_600)
def test_honest_pairs_pass() -> None:
    """The rule holds after a change of the code that it measures."""
    results = shadow.read_or_simulate()
    show(shadow.tabulate(results))
    check(results)
