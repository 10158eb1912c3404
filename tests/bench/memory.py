"""Peak memory of the stages that read tables, for tables of several sizes.

`python -m tests.bench.memory` writes the tables of docs/reference/scale.md. The files repeat
100,000 generated rows of the survey's columns, so that generating them takes little time.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.memory import NEEDS, TableSize
from pipeline.model.budget import COLUMNS
from pipeline.model.bundle import write_fallback
from pipeline.settings.connections import LakeSettings
from pipeline.settings.data import FeaturesSettings
from pipeline.stages import get_stage
from pipeline.storage.lake import open_lake
from pipeline.storage.parquet import get_column_types
from tests.bench.cached import ROOT, hash_code, list_modules, measure
from tests.bench.stage_runs import PROGRAMS, run_stage, write_source
from tests.bench.tables import put, table
from tests.support.forest import make_bundle

PAGE = ROOT / "docs/reference/scale.md"
PART, LARGEST_PART = "peak memory", "largest table"
MEDIUM, LARGE = 2_700_000, 21_100_000  # 51 and 401 MB

SOURCES = {
    "ingest": ("data/blocks.py", "data/raw_parts.py", "data/sources.py", "storage/streams.py"),
    "preprocess": (
        *("compute/parts.py", "compute/plan.py", "data/blocks.py", "data/cells.py"),
        *("data/contract.py", "data/numbers.py", "data/silver.py", "stages/preprocess.py"),
        *("data_check/check.py", "data_check/measurements.py", "data_check/row_sample.py"),
        "model/rules.py",
    ),
    "features": (
        *(f"splits/{name}.py" for name in ("bounds", "passes", "plan", "rows", "rules", "write")),
        *("compute/parts.py", "storage/tables.py", "storage/parquet.py"),
    ),
    "train": ("model/arrays.py", "model/training_data.py", "storage/samples.py"),
    "drift": (
        *(f"drift/{name}.py" for name in ("columns", "counts", "data", "tables", "comparison")),
        *("compute/parts.py", "storage/samples.py"),
    ),
    "score": (
        *("compute/parts.py", "data/cells.py", "data/contract.py", "data/numbers.py"),
        *("scoring/list_parts.py", "scoring/part_scores.py"),
    ),
}
"""Stage -> modules in pipeline/ that decide about its memory."""
SIZES = {
    "ingest": (MEDIUM, LARGE),
    "preprocess": (MEDIUM, LARGE),
    "features": (MEDIUM, LARGE),
    "train": (MEDIUM, LARGE),
    "drift": (MEDIUM, LARGE),
    "score": (MEDIUM, LARGE),
}
"""Stage -> rows of the files that it is measured on."""
TRAIN_ROWS = 5_000_000
"""MLOPS_TRAIN__MAX_ROWS while `train` is measured."""
Results = list[dict[str, Any]]


class Lab:
    """A lake with tables of several sizes. It runs each stage once, when it is asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._done: dict[tuple[str, int], float] = {}

    def measure_all(self, stage: str) -> Results:
        """Measure a stage for each of its sizes."""
        return [self.measure(stage, rows) for rows in SIZES[stage]]

    def measure(self, stage: str, rows: int) -> dict[str, Any]:
        """Run a stage, and before it the stages that it reads from.

        Returns:
            The rows, the bytes of the raw file, and the peak memory in MiB.
        """
        source = self._folder / f"{rows}.csv"
        if not source.exists():
            write_source(source, rows)
        return {
            "rows": rows,
            "bytes": source.stat().st_size,
            "mebibytes": round(self._run(stage, rows)),
        }

    def _run(self, stage: str, rows: int) -> float:
        if (stage, rows) in self._done:
            return self._done[stage, rows]
        before = {"preprocess": "ingest", "features": "preprocess", "train": "features"}
        before["drift"] = "preprocess"
        if stage in before:
            self._run(before[stage], rows)
        run_id = f"rows-{rows}"
        environment = {
            "MLOPS_INGEST__SOURCE": str(self._folder / f"{rows}.csv"),
            "MLOPS_LAKE__URL": f"file://{self._folder}/lake",
            "MLOPS_TRAIN__MAX_ROWS": str(TRAIN_ROWS),
        }
        options = []
        if stage == "score":
            write_fallback(
                open_lake(LakeSettings(url=environment["MLOPS_LAKE__URL"])), make_bundle()
            )
            options = ["--data", environment["MLOPS_INGEST__SOURCE"]]
        usage = run_stage(stage, run_id, environment, *options)
        self._done[stage, rows] = usage.mebibytes
        return self._done[stage, rows]


def measured() -> dict[str, Results]:
    """The results of each stage; measured again if the code that they measure has changed."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(Path(folder))
        for stage, sizes in SIZES.items():
            code = hash_code(list_modules(SOURCES[stage]), PROGRAMS.get(stage), sizes)
            found[stage] = measure("memory", stage, code, partial(lab.measure_all, stage))
    return found


def format_peaks(found: dict[str, Results]) -> str:
    """The table of the measured peaks."""
    sizes = (MEDIUM, LARGE)
    peaks = {
        (stage, item["rows"]): f"{item['mebibytes']:,} MiB"
        for stage, results in found.items()
        for item in results
    }
    return table(
        ("stage", *(f"{rows / 1e6:g} million rows" for rows in sizes)),
        ((f"`{stage}`", *(peaks.get((stage, rows), "") for rows in sizes)) for stage in found),
    )


def format_largest() -> str:
    """The table of what is estimated for a table, and the largest one at the default limit."""
    lines = []
    for stage, need in NEEDS.items():
        limit = get_stage(stage).resources.memory_limit
        mebibytes = int(limit.removesuffix("Gi")) * 1024
        fixed = need.estimate(get_size(0))
        per_million = need.estimate(get_size(1_000_000)) - fixed
        rows = (mebibytes - fixed) / per_million
        lines.append(
            (
                f"`{stage}`",
                f"{need.base_mebibytes:,.0f} MiB",
                f"{need.bytes_per_value:g} bytes",
                f"{need.bytes_per_cell:g} byte",
                f"{per_million:,.0f} MiB",
                limit,
                f"{rows:.1f} million rows",
            )
        )
    header = ("stage", "without a table", "per value", "per cell", "per million rows of the survey")
    return table((*header, "default limit", "largest table"), lines)


def get_size(rows: int) -> TableSize:
    """The size of a table of the survey's columns."""
    return TableSize(rows, len(get_column_types()), COLUMNS)


def predict(stage: str, rows: int) -> float:
    """What is estimated for `train` with a raw file of so many rows, in MiB."""
    fractions = FeaturesSettings()
    train = rows * (1 - fractions.test_fraction - fractions.validation_fraction)
    kept = min(1, TRAIN_ROWS / train)
    read = kept * rows * (1 - fractions.test_fraction)
    return NEEDS[stage].estimate(get_size(round(read)))


if __name__ == "__main__":
    put(PAGE, PART, format_peaks(measured()))
    put(PAGE, LARGEST_PART, format_largest())
