"""Time and memory of the stages in one process, compared with Polars and PySpark."""

from __future__ import annotations

import pytest

from tests.bench import scale
from tests.bench.tables import find, show


def test_the_page_shows_the_stored_results() -> None:
    """The tables of docs/reference/scale.md are those of the results."""
    stored = scale.read_stored()
    assert find(scale.PAGE, scale.PART)[1] == scale.format_programs(stored)
    assert find(scale.PAGE, scale.STAGES_PART)[1] == scale.format_stages(stored)


@pytest.mark.bench
@pytest.mark.timeout(7_200)
def test_measured_again() -> None:
    """The platform is ahead of PySpark; its memory is flat, and its processor time linear."""
    found = scale.measured()
    show(scale.format_programs(found))
    show(scale.format_stages(found))
    for results in found.values():
        own, other = (results["programs"][name] for name in (scale.OURS, "PySpark"))
        assert min(own["seconds"]) < min(other["seconds"])
        assert all(stage["mebibytes"] < 1024 for stage in results["stages"].values())
    per_row = [
        sum(stage["cpu_seconds"][0] for stage in found[rows]["stages"].values()) / rows
        for rows in (10_000_000, 50_000_000)
    ]
    assert per_row[1] < 1.2 * per_row[0]
