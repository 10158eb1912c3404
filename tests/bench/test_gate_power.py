"""The simulated power of gates in docs/reference/gates.md."""

from __future__ import annotations

import pytest

from tests.bench import gate_power
from tests.bench.cached import read_results
from tests.bench.tables import find, show


def test_the_page_shows_the_stored_results() -> None:
    """The table of docs/reference/gates.md is that of tests/bench/results/gate_power.json."""
    results = read_results("gate_power")[gate_power.NAME]["results"]
    assert find(gate_power.PAGE, gate_power.NAME)[1] == gate_power.tabulate(results)


@pytest.mark.bench
@pytest.mark.timeout(3_600)
def test_good_models_pass() -> None:
    """Chance refuses at most 10 % of the good models, and more rows never accept more bad ones."""
    results = gate_power.read_or_simulate()
    show(gate_power.tabulate(results))
    assert max(row["good_refused"] for row in results) <= 0.1
    for few, many in zip(results[::2], results[1::2], strict=True):
        assert many["bad_accepted"] <= few["bad_accepted"] + 0.05, many
