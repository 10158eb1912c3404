"""Stages need as much memory as is estimated, and those that read in blocks need no more for more.

The measured tables are the same size as those of docs/reference/scale.md.
"""

from __future__ import annotations

import pytest

from pipeline.memory import NEEDS
from tests.bench import memory
from tests.bench.cached import read_results
from tests.bench.tables import find, show


def stored() -> dict[str, memory.Results]:
    results = read_results("memory")
    return {stage: results[stage]["results"] for stage in memory.SIZES}


def test_the_page_shows_the_stored_results() -> None:
    """Both tables of docs/reference/scale.md are those of the results and of the estimates."""
    for part, text in (
        (memory.PART, memory.format_peaks(stored())),
        (memory.LARGEST_PART, memory.format_largest()),
    ):
        assert find(memory.PAGE, part)[1] == text


@pytest.mark.parametrize("stage", NEEDS)
def test_an_estimate_covers_the_measured_peak(stage: str) -> None:
    """And refuses no table that would need less than two thirds of it."""
    for item in stored()[stage]:
        estimate = memory.predict(stage, item["rows"])
        assert item["mebibytes"] <= estimate <= 1.5 * item["mebibytes"]


@pytest.mark.parametrize(
    ("stage", "factor"),
    [
        *(("ingest", 1.1), ("preprocess", 1.25), ("score", 1.25)),
        *(("features", 1.25), ("drift", 1.25)),
    ],
)
def test_eight_times_the_file_needs_the_same_memory(stage: str, factor: float) -> None:
    """Because these stages read it in blocks, or in parts."""
    small, large = stored()[stage]
    assert large["bytes"] > 7 * small["bytes"]
    assert large["mebibytes"] < factor * small["mebibytes"]


@pytest.mark.bench
@pytest.mark.timeout(3_600)
def test_measured_again() -> None:
    """`ingest` stays below 200 MiB, `preprocess` and `score` below 1 GiB for 400 MB."""
    found = memory.measured()
    show(memory.format_peaks(found))
    assert found["ingest"][-1]["mebibytes"] < 200
    assert found["preprocess"][-1]["mebibytes"] < 1024
    assert found["score"][-1]["mebibytes"] < 1024
