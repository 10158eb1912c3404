"""Time and memory of the stages in one process, compared with Polars and PySpark.

`python -m tests.bench.scale` writes the tables of docs/reference/scale.md. From a raw file to gold,
all three validate the same generated file of the survey, list its rejected rows with their numbers
and reasons, flip the label, and write silver and exactly stratified splits as Parquet. Each round
runs them one after the other, in new processes. `pyarrow.csv`, which only reads the file, is a
lower bound. In the first round, `drift` and `score` follow. Processor time and memory can be
measured on a busy machine, time only on a quiet one.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.data.synthetic import generate_csv
from pipeline.model.bundle import write_fallback
from pipeline.storage.artifacts.data import GoldManifest, SilverManifest
from pipeline.storage.disk import DiskStore
from pipeline.storage.lake import Lake
from pipeline.storage.layout import SPLITS, gold_manifest, silver_manifest
from tests.bench.cached import ROOT, hash_code, list_modules, measure, read_results
from tests.bench.environments import create_environment
from tests.bench.stage_runs import GENERATED_ROWS, run_stage
from tests.bench.tables import put, table
from tests.bench.usage import Usage, run_python
from tests.support.forest import make_bundle
from tests.support.repeated_rows import repeat_rows

PAGE = ROOT / "docs/reference/scale.md"
PART, STAGES_PART = "time to gold", "stages in one process"
PROGRAMS = Path(__file__).with_name("scale_peers")
BAD_ROW_EVERY = 1_000
BAD_ROWS = ("7,1,6.8,0,2.1,1", "31,1,abc,0,2.1,1", "31,1,6.8,0,2.1,", "31,3,6.8,0,2.1,1")
SIZES = {1_000_000: 3, 10_000_000: 3, 50_000_000: 1}
"""Rows -> rounds."""
TO_GOLD = ("ingest", "preprocess", "features")
AFTER_GOLD = ("drift", "score")
STAGES = (*TO_GOLD, *AFTER_GOLD)
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
    *("compute", "data", "data_check", "splits", "drift", "scoring"),
    *("model/rules.py", "model/intervals.py"),
    *("stages/ingest.py", "stages/preprocess.py", "stages/features.py", "stages/score.py"),
)
"""Modules in pipeline/ that decide about the time."""


@dataclass(frozen=True)
class Run:
    """What a program needed, and what it found.

    Attributes:
        usage: Its time and memory.
        rejected: Number of rejected rows; None if it only reads.
        splits: Split -> its rows, and its positive rows.
        stages: Stage -> what it needed, if the program has several.
    """

    usage: Usage
    rejected: int | None = None
    splits: dict[str, tuple[int, int]] | None = None
    stages: dict[str, Usage] = field(default_factory=dict)


def write_source(path: Path, rows: int) -> None:
    """Write a raw file that repeats GENERATED_ROWS rows, one in BAD_ROW_EVERY of them bad."""
    header, *lines = generate_csv(GENERATED_ROWS, 1).decode().splitlines()
    for number, place in enumerate(range(BAD_ROW_EVERY // 2, len(lines), BAD_ROW_EVERY)):
        lines[place] = BAD_ROWS[number % len(BAD_ROWS)]
    text = "".join(f"{line}\n" for line in (header, *lines)).encode()
    repeat_rows(path, text, rows // GENERATED_ROWS)


def measure_stage(stage: str, source: Path, folder: Path) -> Usage:
    """Run a stage of the pipeline in a process."""
    environment = {
        "MLOPS_INGEST__SOURCE": str(source),
        "MLOPS_LAKE__URL": f"file://{folder}",
        "MLOPS_SEED": str(SEED),
        "MLOPS_INGEST__MAX_BYTES": str(1 << 40),
    }
    options = ["--data", str(source)] if stage == "score" else []
    return run_stage(stage, RUN_ID, environment, *options)


def run_to_gold(source: Path, folder: Path) -> Run:
    """Run the stages of the pipeline up to gold."""
    usages = {stage: measure_stage(stage, source, folder) for stage in TO_GOLD}
    lake = Lake(DiskStore(folder))
    silver = lake.read_model(silver_manifest(RUN_ID), SilverManifest)
    gold = lake.read_model(gold_manifest(RUN_ID), GoldManifest)
    splits = {name: (facts.rows, facts.positives) for name, facts in gold.splits.items()}
    return Run(add_up(usages.values()), silver.rejected, splits, usages)


def add_up(usages: Iterable[Usage]) -> Usage:
    """Return what processes needed that ran one after the other."""
    usages = list(usages)
    return Usage(
        sum(usage.seconds for usage in usages),
        sum(usage.cpu_seconds for usage in usages),
        max(usage.mebibytes for usage in usages),
    )


def run_after_gold(source: Path, folder: Path) -> dict[str, Usage]:
    """Run the other stages, with a forest of 20 trees as the model."""
    write_fallback(Lake(DiskStore(folder)), make_bundle())
    return {stage: measure_stage(stage, source, folder) for stage in AFTER_GOLD}


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
    usage = Usage(seconds, found["cpu_seconds"], found["mebibytes"])
    return Run(usage, found["rejected"], splits)


def read_only(source: Path, _: Path) -> Run:
    """Read the file with pyarrow, in blocks."""
    return Run(run_python(["-c", READ_ONLY, str(source)], {}))


PROGRAM_RUNS: dict[str, Callable[[Path, Path], Run]] = {
    OURS: run_to_gold,
    **{name: partial(run_peer, package) for name, package in PACKAGES.items()},
    LOWER_BOUND: read_only,
}


def measure_size(rows: int, rounds: int) -> dict[str, Any]:
    """Run every program on a file of so many rows, and every stage.

    Returns:
        For each program and each stage, see `as_json`.

    Raises:
        AssertionError: If two programs find different numbers of rows.
    """
    found: dict[str, list[Run]] = {name: [] for name in PROGRAM_RUNS}
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "source.csv"
        write_source(source, rows)
        for number in range(rounds):
            for program, run in PROGRAM_RUNS.items():
                with tempfile.TemporaryDirectory(dir=name) as temporary:
                    folder = Path(temporary) / "out"
                    found[program].append(run(source, folder))
                    if program == OURS and number == 0:
                        stages = found[OURS][0].stages | run_after_gold(source, folder)
    outputs = [(run.rejected, run.splits) for runs in found.values() for run in runs if run.splits]
    assert all(output == outputs[0] for output in outputs), outputs
    return {
        "programs": {name: as_json([run.usage for run in runs]) for name, runs in found.items()},
        "stages": {stage: as_json([usage]) for stage, usage in stages.items()},
    }


def as_json(usages: Sequence[Usage]) -> dict[str, Any]:
    """Return the times of all runs, and the largest of their peaks."""
    return {
        "seconds": [round(usage.seconds, 2) for usage in usages],
        "cpu_seconds": [round(usage.cpu_seconds, 2) for usage in usages],
        "mebibytes": round(max(usage.mebibytes for usage in usages)),
    }


def measured() -> dict[int, Any]:
    """The results of each size; measured again if the code that they measure has changed."""
    code = hash_code([*list_modules(SOURCES), *sorted(PROGRAMS.glob("*.py"))])
    return {
        rows: measure("scale", f"{rows} rows", code, partial(measure_size, rows, rounds))
        for rows, rounds in SIZES.items()
    }


def read_stored() -> dict[int, Any]:
    """The stored results of the sizes that have some."""
    results = read_results("scale")
    return {rows: results[key]["results"] for rows in SIZES if (key := f"{rows} rows") in results}


def format_programs(found: dict[int, Any]) -> str:
    """The table of times and peaks: the median of the rounds, and their range."""

    def describe(result: dict[str, Any]) -> str:
        times, cpu = result["seconds"], statistics.median(result["cpu_seconds"])
        text = f"{statistics.median(times):.1f} s"
        if len(times) > 1:
            text += f" ({min(times):.1f} to {max(times):.1f})"
        return f"{text}, CPU {cpu:.1f} s, {result['mebibytes']:,} MiB"

    return table(
        ("", *(f"{rows / 1e6:g} million rows" for rows in found)),
        (
            (name, *(describe(results["programs"][name]) for results in found.values()))
            for name in PROGRAM_RUNS
        ),
    )


def format_stages(found: dict[int, Any]) -> str:
    """The table of the processor time per million rows, and of the peak of each stage."""

    def describe(rows: int, cpu_seconds: float, mebibytes: float) -> str:
        return f"{cpu_seconds:.1f} s, {cpu_seconds / rows * 1e6:.2f} s, {mebibytes:,} MiB"

    lines = []
    for stage in (*STAGES, "together"):
        cells = []
        for rows, results in found.items():
            stages = results["stages"]
            chosen = stages.values() if stage == "together" else [stages[stage]]
            cpu_seconds = sum(one["cpu_seconds"][0] for one in chosen)
            cells.append(describe(rows, cpu_seconds, max(one["mebibytes"] for one in chosen)))
        lines.append((f"`{stage}`" if stage in STAGES else stage, *cells))
    return table(("stage", *(f"{rows / 1e6:g} million rows" for rows in found)), lines)


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    results = measured()
    put(PAGE, PART, format_programs(results))
    put(PAGE, STAGES_PART, format_stages(results))
