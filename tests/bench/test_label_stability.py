"""The stability of a label says something about models that learned from other students."""

from __future__ import annotations

import pytest

from tests.bench import label_stability
from tests.bench.cached import read_results
from tests.bench.tables import find, show


def test_the_page_shows_the_stored_results() -> None:
    """The table of docs/reference/model-quality.md is that of the stored results."""
    results = read_results("label_stability")[label_stability.PART]["results"]
    shown = find(label_stability.PAGE, label_stability.PART)[1]
    assert shown == label_stability.format_table(results)


@pytest.mark.bench
@pytest.mark.timeout(3_600)
def test_halves_are_closer_to_other_students_than_larger_subsets() -> None:
    """Refits on 80 % of the rows agree too often; an unsure label is more often contradicted."""
    found = label_stability.simulated()
    show(label_stability.format_table(found))
    halves, most = found
    assert halves["agreement"] < halves["stability"] < most["stability"]
    assert halves["stability"] - halves["agreement"] < 0.6 * (most["stability"] - most["agreement"])
    assert halves["agreement_if_unsure"] < halves["agreement_if_sure"] - 0.1
