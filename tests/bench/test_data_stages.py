"""Time and memory of ingest, preprocess and features for many rows, compared with reading the file.

`make bench` prints the table that docs/reference/data-stages.md has.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from pipeline.console import print_table

SIZES = (100_000, 1_000_000)
STAGES = ("ingest", "preprocess", "features")
BASELINE = "pandas.read_csv"
REPEATS = 3


class Measurement(NamedTuple):
    seconds: float
    mebibytes: float


def measure(arguments: list[str], environment: dict[str, str]) -> Measurement:
    """Run Python in a process of its own; return its wall time and peak resident memory."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments], env=os.environ | {"PYTHONPATH": str(Path.cwd())} | environment
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return Measurement(time.perf_counter() - start, usage.ru_maxrss / 1024)


def measure_fastest(arguments: list[str], environment: dict[str, str]) -> Measurement:
    return min(
        (measure(arguments, environment) for _ in range(REPEATS)), key=lambda found: found.seconds
    )


@pytest.mark.bench
@pytest.mark.timeout(900)
def test_data_stages(tmp_path: Path) -> None:
    """A million rows need less than 1.5 GiB per stage; time grows at most linearly plus 10 %."""
    results: dict[tuple[str, int], Measurement] = {}
    for rows in SIZES:
        source = tmp_path / f"{rows}.csv"
        # In a process of its own: the peak memory of a child includes that of its parent.
        generate = (
            "import pathlib, pipeline.data.synthetic as s; "
            f"pathlib.Path({str(source)!r}).write_bytes(s.generate_csv({rows}, 1))"
        )
        measure(["-c", generate], {})
        results[BASELINE, rows] = measure_fastest(
            ["-c", f"import pandas; pandas.read_csv({str(source)!r})"], {}
        )
        environment = {
            "MLOPS_INGEST__SOURCE": str(source),
            "MLOPS_LAKE__URL": f"file://{tmp_path}/lake",
        }
        for stage in STAGES:
            command = ["-m", "pipeline", stage, "--run-id", f"rows-{rows}"]
            results[stage, rows] = measure_fastest(command, environment)
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
