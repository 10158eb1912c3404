"""Time and memory of ingest, preprocess and features for many rows, compared with reading the file.

`make bench` prints the table that docs/reference/data-stages.md has.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.console import print_table
from tests.bench.usage import Usage, run_python

SIZES = (100_000, 1_000_000)
STAGES = ("ingest", "preprocess", "features")
BASELINE = "pandas.read_csv"
REPEATS = 3


def run_fastest(arguments: list[str], environment: dict[str, str]) -> Usage:
    return min(
        (run_python(arguments, environment) for _ in range(REPEATS)),
        key=lambda found: found.seconds,
    )


@pytest.mark.bench
@pytest.mark.timeout(900)
def test_data_stages(tmp_path: Path) -> None:
    """A million rows need less than 1.5 GiB per stage; time grows at most linearly plus 10 %."""
    results: dict[tuple[str, int], Usage] = {}
    for rows in SIZES:
        source = tmp_path / f"{rows}.csv"
        generate = (
            "import pathlib, pipeline.data.synthetic as s; "
            f"pathlib.Path({str(source)!r}).write_bytes(s.generate_csv({rows}, 1))"
        )
        run_python(["-c", generate], {})
        results[BASELINE, rows] = run_fastest(
            ["-c", f"import pandas; pandas.read_csv({str(source)!r})"], {}
        )
        environment = {
            "MLOPS_INGEST__SOURCE": str(source),
            "MLOPS_LAKE__URL": f"file://{tmp_path}/lake",
        }
        for stage in STAGES:
            command = ["-m", "pipeline", stage, "--run-id", f"rows-{rows}"]
            results[stage, rows] = run_fastest(command, environment)
    largest = SIZES[-1]
    print_table(
        f"Data stages, each in a process of its own, best of {REPEATS}",
        ("process", *(f"{rows:,} rows" for rows in SIZES), "relative to read_csv", "peak memory"),
        (
            (
                name,
                *(f"{results[name, rows].seconds:.1f} s" for rows in SIZES),
                f"{results[name, largest].seconds / results[BASELINE, largest].seconds:.1f} x",
                f"{results[name, largest].mebibytes:.0f} MiB",
            )
            for name in (BASELINE, *STAGES)
        ),
    )
    for stage in STAGES:
        small, large = (results[stage, rows] for rows in SIZES)
        assert large.mebibytes < 1536
        assert large.seconds < 11 * small.seconds
