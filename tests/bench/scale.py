"""Time and memory from a raw file to gold, compared with Polars and PySpark.

`python -m tests.bench.scale` writes the table of docs/reference/scale.md. All three validate the
same generated file of the survey, list its rejected rows with their numbers and reasons, flip the
label, and write silver and exactly stratified splits as Parquet. Each round runs them one after
the other, in new processes. `pyarrow.csv`, which only reads the file, is a lower bound.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.data.synthetic import generate_csv
from pipeline.storage.artifacts.data import GoldManifest, SilverManifest
from pipeline.storage.disk import DiskStore
from pipeline.storage.lake import Lake
from pipeline.storage.layout import SPLITS, gold_manifest, silver_manifest
from tests.bench.cached import ROOT, hash_code, measure
from tests.bench.environments import create_environment
from tests.bench.memory import run_measured
from tests.bench.tables import put, table

PAGE = ROOT / "docs/reference/scale.md"
PART = "time to gold"
PROGRAMS = Path(__file__).with_name("scale_peers")
GENERATED_ROWS = 100_000
BAD_ROW_EVERY = 1_000
BAD_ROWS = ("7,1,6.8,0,2.1,1", "31,1,abc,0,2.1,1", "31,1,6.8,0,2.1,", "31,3,6.8,0,2.1,1")
SIZES = {1_000_000: 3, 10_000_000: 3}
"""Rows -> rounds."""
STAGES = ("ingest", "preprocess", "features")
SEED = 20
RUN_ID = "scale"
READ_ONLY = """
import sys
import pyarrow.csv
for batch in pyarrow.csv.open_csv(sys.argv[1]):
    pass
"""
PACKAGES = {"Polars": "polars", "PySpark": "pyspark"}
"""Name -> package."""
OURS, LOWER_BOUND = "this platform", "pyarrow.csv, reading only"
SOURCES = (
    *("compute", "data", "splits"),
    *("stages/ingest.py", "stages/preprocess.py", "stages/features.py"),
)
"""Modules in pipeline/ that decide about the time."""


@dataclass(frozen=True)
class Run:
    """What a program needed, and what it found.

    Attributes:
        seconds: Its time.
        mebibytes: Its peak resident memory.
        rejected: Number of rejected rows; None if it only reads.
        splits: Split -> its rows, and its positive rows.
    """

    seconds: float
    mebibytes: float
    rejected: int | None = None
    splits: dict[str, tuple[int, int]] | None = None


def write_source(path: Path, rows: int) -> None:
    """Write a raw file that repeats GENERATED_ROWS rows, one in BAD_ROW_EVERY of them bad."""
    header, _, body = generate_csv(GENERATED_ROWS, 1).partition(b"\n")
    lines = body.decode().splitlines()
    for number, place in enumerate(range(BAD_ROW_EVERY // 2, len(lines), BAD_ROW_EVERY)):
        lines[place] = BAD_ROWS[number % len(BAD_ROWS)]
    body = "".join(f"{line}\n" for line in lines).encode()
    with path.open("wb") as file:
        file.write(header + b"\n")
        for _ in range(rows // GENERATED_ROWS):
            file.write(body)


def run_stages(source: Path, folder: Path) -> Run:
    """Run the three stages of the pipeline, each in a process."""
    environment = {
        "MLOPS_INGEST__SOURCE": str(source),
        "MLOPS_LAKE__URL": f"file://{folder}",
        "MLOPS_SEED": str(SEED),
        "MLOPS_INGEST__MAX_BYTES": str(1 << 40),
    }
    start = time.perf_counter()
    peaks = [
        run_measured(["-m", "pipeline", stage, "--run-id", RUN_ID], environment) for stage in STAGES
    ]
    seconds = time.perf_counter() - start
    lake = Lake(DiskStore(folder))
    silver = lake.read_model(silver_manifest(RUN_ID), SilverManifest)
    gold = lake.read_model(gold_manifest(RUN_ID), GoldManifest)
    splits = {name: (facts.rows, facts.positives) for name, facts in gold.splits.items()}
    return Run(seconds, max(peaks), silver.rejected, splits)


def run_peer(package: str, source: Path, folder: Path) -> Run:
    """Run the program of a package in the package's environment, with two threads."""
    requirements = PROGRAMS / f"requirements-{package}.txt"
    python = create_environment(package, requirements, ">=3.11,<3.14")
    program = PROGRAMS / f"split_with_{package}.py"
    start = time.perf_counter()
    done = subprocess.run(
        [python, program, source, folder, str(SEED)],
        env=os.environ | {"POLARS_MAX_THREADS": "2"},
        capture_output=True,
        text=True,
        check=True,
    )
    seconds = time.perf_counter() - start
    found = json.loads(done.stdout)
    splits = {name: tuple(found["splits"][name]) for name in SPLITS}
    return Run(seconds, found["mebibytes"], found["rejected"], splits)


def read_only(source: Path, _: Path) -> Run:
    """Read the file with pyarrow, in blocks."""
    start = time.perf_counter()
    peak = run_measured(["-c", READ_ONLY, str(source)], {})
    return Run(time.perf_counter() - start, peak)


PROGRAM_RUNS: dict[str, Callable[[Path, Path], Run]] = {
    OURS: run_stages,
    **{name: partial(run_peer, package) for name, package in PACKAGES.items()},
    LOWER_BOUND: read_only,
}


def measure_size(rows: int, rounds: int) -> dict[str, Any]:
    """Run every program on a file of so many rows.

    Returns:
        Program -> its times in seconds and the largest of its peaks in MiB.

    Raises:
        AssertionError: If two programs find different numbers of rows.
    """
    found: dict[str, list[Run]] = {name: [] for name in PROGRAM_RUNS}
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "source.csv"
        write_source(source, rows)
        for _ in range(rounds):
            for program, run in PROGRAM_RUNS.items():
                with tempfile.TemporaryDirectory(dir=name) as folder:
                    found[program].append(run(source, Path(folder) / "out"))
    outputs = [(run.rejected, run.splits) for runs in found.values() for run in runs if run.splits]
    assert all(output == outputs[0] for output in outputs), outputs
    return {
        program: {
            "seconds": [round(run.seconds, 2) for run in runs],
            "mebibytes": round(max(run.mebibytes for run in runs)),
        }
        for program, runs in found.items()
    }


def measured() -> dict[int, Any]:
    """The results of each size; measured again if the code that they measure has changed."""
    modules = [ROOT / "pipeline" / name for name in SOURCES]
    files = [file for path in modules for file in (sorted(path.glob("*.py")) or [path])]
    code = hash_code([*files, *sorted(PROGRAMS.glob("*.py"))], SIZES)
    return {
        rows: measure("scale", f"{rows} rows", code, partial(measure_size, rows, rounds))
        for rows, rounds in SIZES.items()
    }


def format_results(found: dict[int, Any]) -> str:
    """The table of times and peaks: the median of the rounds, and their range."""

    def describe(result: dict[str, Any]) -> str:
        times = result["seconds"]
        text = f"{statistics.median(times):.1f} s"
        if len(times) > 1:
            text += f" ({min(times):.1f} to {max(times):.1f})"
        return f"{text}, {result['mebibytes']:,} MiB"

    return table(
        ("", *(f"{rows / 1e6:g} million rows" for rows in found)),
        ((name, *(describe(results[name]) for results in found.values())) for name in PROGRAM_RUNS),
    )


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    put(PAGE, PART, format_results(measured()))
