"""The time of `score` grows with the list, and its memory does not."""

from __future__ import annotations

import pytest

from tests.bench import scores
from tests.bench.cached import read_results
from tests.bench.tables import find, show


def test_the_page_shows_the_stored_results() -> None:
    """The table of docs/reference/scale.md is that of the results."""
    results = read_results("scores")[scores.PART]["results"]
    assert find(scores.PAGE, scores.PART)[1] == scores.format_results(results)


@pytest.mark.bench
@pytest.mark.timeout(3_600)
def test_measured_again() -> None:
    """Fifty times the rows need at most fifty times the time, and less than 1 GiB."""
    results = scores.measured()
    first, last = results[0], results[-1]
    assert last["seconds"] / first["seconds"] < last["rows"] / first["rows"]
    assert all(item["mebibytes"] < 1024 for item in results)
    show(scores.format_results(results))
