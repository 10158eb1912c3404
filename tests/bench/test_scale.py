"""The time from a raw file to gold, compared with Polars and PySpark."""

from __future__ import annotations

import pytest

from tests.bench import scale
from tests.bench.cached import read_results
from tests.bench.tables import find, show


def test_the_page_shows_the_stored_results() -> None:
    """The table of docs/reference/scale.md is that of the results."""
    results = read_results("scale")
    stored = {rows: results[f"{rows} rows"]["results"] for rows in scale.SIZES}
    assert find(scale.PAGE, scale.PART)[1] == scale.format_results(stored)


@pytest.mark.bench
@pytest.mark.timeout(3_600)
def test_measured_again() -> None:
    """The platform is ahead of PySpark, and its memory below 1 GiB."""
    found = scale.measured()
    show(scale.format_results(found))
    for results in found.values():
        own, other = results[scale.OURS], results["PySpark"]
        assert min(own["seconds"]) < min(other["seconds"])
        assert own["mebibytes"] < 1024
