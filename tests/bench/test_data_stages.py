"""Ingest, preprocess and features on many rows: time and memory beside a bare read of the same file.

`make bench` prints the table; docs/reference/data-stages.md holds one that was measured.
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
BARE = "bare pandas.read_csv"


class Measured(NamedTuple):
    seconds: float
    mebibytes: float


def measured(arguments: list[str], environment: dict[str, str]) -> Measured:
    """Wall time and peak resident memory of a process of its own."""
    start = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, *arguments], env=os.environ | {"PYTHONPATH": str(Path.cwd())} | environment
    )
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0
    return Measured(time.perf_counter() - start, usage.ru_maxrss / 1024)


@pytest.mark.bench
@pytest.mark.timeout(900)
def test_data_stages(tmp_path: Path) -> None:
    """A million rows stay under 1.5 GiB a stage, and ten times the rows take at most eleven times as long."""
    found: dict[tuple[str, int], Measured] = {}
    for rows in SIZES:
        source = tmp_path / f"{rows}.csv"
        # in a process of its own: a child's peak counts from its parent's size
        make = f"import pathlib, pipeline.data.synthetic as s; pathlib.Path({str(source)!r}).write_bytes(s.generate_csv({rows}, 1))"
        measured(["-c", make], {})
        program = f"import pandas; pandas.read_csv({str(source)!r})"
        found[BARE, rows] = min(
            (measured(["-c", program], {}) for _ in range(3)), key=lambda one: one.seconds
        )
        environment = {
            "MLOPS_INGEST__SOURCE": str(source),
            "MLOPS_LAKE__URL": f"file://{tmp_path}/lake",
        }
        for stage in STAGES:
            command = ["-m", "pipeline", stage, "--run-id", f"rows-{rows}"]
            found[stage, rows] = min(
                (measured(command, environment) for _ in range(3)), key=lambda one: one.seconds
            )
    print_table(
        "Data stages, each a process of its own, best of 3",
        ("process", *(f"{rows:,} rows" for rows in SIZES), "against the bare read", "peak memory"),
        (
            (
                name,
                *(f"{found[name, rows].seconds:.1f} s" for rows in SIZES),
                f"{found[name, SIZES[1]].seconds / found[BARE, SIZES[1]].seconds:.1f} x",
                f"{found[name, SIZES[1]].mebibytes:.0f} MiB",
            )
            for name in (BARE, *STAGES)
        ),
    )
    for stage in STAGES:
        small, large = (found[stage, rows] for rows in SIZES)
        assert large.mebibytes < 1536
        assert large.seconds < 11 * small.seconds
