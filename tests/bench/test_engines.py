"""What other engines than Dask would cost."""

from __future__ import annotations

import pytest

from tests.bench.engines import ENGINES, NAME, PAGE, format_stored, format_table, read_or_measure
from tests.bench.tables import find, show


def test_the_page_shows_the_stored_results() -> None:
    """The table of docs/why.md is that of the stored results."""
    assert find(PAGE, NAME)[1] == format_stored()


@pytest.mark.bench
@pytest.mark.timeout(1_800)
def test_dask_is_the_smallest() -> None:
    """It needs less disk and less memory than the others."""
    results = {name: read_or_measure(name) for name in ENGINES}
    show(format_table(results))
    dask = results.pop("Dask")
    for other in results.values():
        assert dask["megabytes"] < other["megabytes"]
        assert dask["mebibytes"] < other["mebibytes"]
