"""A wide and long table costs minutes: its work is bounded, and does not grow with its cells."""

from __future__ import annotations

import pytest

from tests.bench.table_times import NAME, PAGE, format_stored, format_table, read_or_measure
from tests.bench.tables import find, show


def test_the_page_shows_the_stored_results() -> None:
    """The table of docs/reference/tables.md is that of the stored results."""
    assert find(PAGE, NAME)[1] == format_stored()


@pytest.mark.bench
@pytest.mark.timeout(7_200)
def test_the_work_does_not_grow_with_the_cells() -> None:
    """The generated table has 290 times the cells of the breast cancer table."""
    results = {name: read_or_measure(name) for name in ("breast_cancer", "wide")}
    show(format_table(results))
    small, wide = results.values()
    cells = [result["rows"] * result["columns"] for result in (small, wide)]
    assert cells[1] > 250 * cells[0]
    assert wide["cpu_seconds"]["run"] < 20 * small["cpu_seconds"]["run"]
    assert wide["rows_used"]["compared"] < wide["rows_used"]["fitted"] < wide["rows"]
