"""A model of 10 million rows ranks better than one of 20,000, if they show more."""

from __future__ import annotations

import pytest

from pipeline.memory import NEEDS
from tests.bench import all_rows
from tests.bench.cached import read_results
from tests.bench.memory import get_size
from tests.bench.tables import find


def test_the_page_shows_the_stored_results() -> None:
    """docs/reference/scale.md has what was measured."""
    assert find(all_rows.PAGE, "all rows")[1] == all_rows.show()


def test_the_model_of_all_rows_is_better() -> None:
    """By at least 0.01 in ROC AUC on fresh rows, and its graph is as exact as every other."""
    for part in read_results(all_rows.NAME).values():
        result = part["results"]
        assert result["selected"]
        assert result["of_all"] >= result["of_sample"] + 0.01
        assert result["onnx_difference"] <= 1e-5


def test_the_estimate_of_train_covers_it() -> None:
    """`train` refuses a table before it runs out of memory with a model of all rows."""
    for part in read_results(all_rows.NAME).values():
        result = part["results"]
        assert result["peak_mebibytes"] <= NEEDS["train"].estimate(get_size(result["rows"]))


@pytest.mark.bench
@pytest.mark.timeout(7_200)
@pytest.mark.parametrize("rows", all_rows.SIZES)
def test_measured_again(rows: int) -> None:
    """The gain holds after a change of the code, in less than 120 MiB per million rows."""
    result = all_rows.get_results(rows)
    assert result["of_all"] >= result["of_sample"] + 0.01
    assert result["peak_mebibytes"] < 300 + 120 * rows / 1e6
