"""What a billion rows need, computed from measurements."""

from __future__ import annotations

import pytest

from tests.bench import billions
from tests.bench.projection import SIZES, Costs, get_costs, get_hours
from tests.bench.tables import find, show
from tests.bench.worker_costs import STAGES


@pytest.mark.parametrize("name", billions.TABLES)
def test_the_page_shows_the_stored_results(name: str) -> None:
    """Every table of docs/reference/billions.md is computed from the stored results."""
    assert find(billions.PAGE, name)[1] == billions.TABLES[name](billions.read_stored())


def test_costs_are_the_difference_of_two_tables() -> None:
    """What both tables need, such as the start of a process, does not count."""
    names = Costs.__dataclass_fields__
    found = {
        f"{rows} rows": {stage: dict.fromkeys(names, 5 + 3 * rows / 1e6) for stage in STAGES}
        for rows in SIZES
    }
    for costs in get_costs(found).values():
        assert [getattr(costs, name) for name in names] == pytest.approx([3] * len(names))


def test_the_stage_itself_bounds_the_time() -> None:
    """More workers share their part of the work only, and `drift` uses a bounded number."""
    costs = Costs(36, 360, 0, 0, 0, 0, 0, 0)
    assert get_hours("features", costs, 1e8, 10) == pytest.approx(1 + 1)
    assert get_hours("features", costs, 1e8, 1_000) == pytest.approx(1 + 0.01)
    assert get_hours("drift", costs, 1e8, 1_000) == get_hours("drift", costs, 1e8, 42)


@pytest.mark.bench
@pytest.mark.timeout(3_600)
def test_measured_again() -> None:
    """The workers do most of the work of the stages that use them."""
    found = billions.measured()
    for format_table in billions.TABLES.values():
        show(format_table(found))
    costs = get_costs(found)
    for stage in billions.WORKER_STAGES:
        assert costs[stage].stage < costs[stage].workers
