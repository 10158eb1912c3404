"""Processor time and peak memory of `score` for lists of several sizes.

`python -m tests.bench.scores` writes the table of docs/reference/scale.md. The lists repeat 100,000
generated rows, and the model is a forest of 20 trees. The processor time depends little on other
work of the machine.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from pipeline.model.bundle import write_fallback
from pipeline.settings.connections import LakeSettings
from pipeline.storage.lake import open_lake
from pipeline.storage.layout import SCORES
from tests.bench.cached import ROOT, hash_code, list_modules, measure
from tests.bench.stage_runs import run_stage, write_source
from tests.bench.tables import put, table
from tests.support.forest import make_bundle

PAGE = ROOT / "docs/reference/scale.md"
PART = "scores"
SIZES = (1_000_000, 10_000_000, 50_000_000)
SOURCES = ("data/cells.py", "data/contract.py", "data/numbers.py", "scoring", "stages/score.py")
"""Modules and packages in pipeline/ that decide about the results."""


def simulate() -> list[dict[str, Any]]:
    """Score a list of each of SIZES."""
    return [measure_list(rows) for rows in SIZES]


def measure_list(rows: int) -> dict[str, Any]:
    """Score a list in a new process.

    Returns:
        The rows, the bytes of the list, the processor seconds, the peak memory in MiB, and the
        number and bytes of the files of predictions.
    """
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "list.csv"
        write_source(source, rows)
        url = f"file://{folder}/lake"
        lake = open_lake(LakeSettings(url=url))
        write_fallback(lake, make_bundle())
        usage = run_stage("score", "bench", {"MLOPS_LAKE__URL": url}, "--data", str(source))
        keys = lake.keys(SCORES)
        return {
            "rows": rows,
            "bytes": source.stat().st_size,
            "seconds": round(usage.cpu_seconds, 1),
            "mebibytes": round(usage.mebibytes),
            "files": len(keys),
            "file_bytes": sum(map(lake.size, keys)),
        }


def measured() -> list[dict[str, Any]]:
    """The results; measured again if the code that they measure has changed."""
    code = hash_code(sorted(list_modules(SOURCES)), SIZES)
    found: list[dict[str, Any]] = measure("scores", PART, code, simulate)
    return found


def format_results(results: list[dict[str, Any]]) -> str:
    """The table of the results."""
    return table(
        ("rows", "list", "processor time", "per million rows", "peak memory", "predictions"),
        (
            (
                f"{item['rows'] / 1e6:g} million",
                f"{item['bytes'] / 1e6:,.0f} MB",
                f"{item['seconds']:.0f} s",
                f"{item['seconds'] / item['rows'] * 1e6:.1f} s",
                f"{item['mebibytes']:,} MiB",
                f"{item['files']:,} files, {item['file_bytes'] / 1e6:,.0f} MB",
            )
            for item in results
        ),
    )


if __name__ == "__main__":
    put(PAGE, PART, format_results(measured()))
