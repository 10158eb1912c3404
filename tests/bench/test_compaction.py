"""An hour of live traffic is smaller and read faster once it is compacted."""

from __future__ import annotations

import pytest

from tests.bench import compaction
from tests.bench.cached import read_results
from tests.bench.tables import find, show


def test_the_page_shows_the_stored_results() -> None:
    """The table of docs/reference/scale.md is that of the results."""
    results = read_results("compaction")[compaction.PART]["results"]
    assert find(compaction.PAGE, compaction.PART)[1] == compaction.format_results(results)


@pytest.mark.bench
@pytest.mark.timeout(1_200)
def test_measured_again() -> None:
    """It has one file, no more bytes, and is read at least ten times as fast."""
    for result in compaction.measured():
        before, after = result["before"], result["after"]
        assert after["bytes"] <= before["bytes"]
        assert 10 * after["objects"] < before["objects"]
        assert 10 * after["seconds"] < before["seconds"]
    show(compaction.format_results(compaction.measured()))
