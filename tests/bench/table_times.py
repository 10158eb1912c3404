"""Measure what each table costs, from its file to a served model with a drift check.

`TEST_SURVEY=... TEST_UCI=... python -m tests.bench.table_times` runs `adopt` and `run` for each
table, or for those that are named, and writes the table of docs/reference/tables.md. It keeps the
results in tests/bench/results/table_times.json. CPU time is measured, because the wall time depends
on what else runs.
"""

from __future__ import annotations

import csv
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.cached import ROOT, hash_code, measure, read_results
from tests.bench.tables import put, table
from tests.support.process_tree import run_and_measure
from tests.support.tables import Cells, make_from_sklearn
from tests.support.wide_rows import OPTIONS, write_wide_table

PAGE = ROOT / "docs" / "reference" / "tables.md"
NAME = "table_times"
WIDE_ROWS = 50_000
MEASURED = (
    *("budget", "calibration", "candidates", "cross_validation", "encoding", "selection"),
    *("stability", "training"),
)
"""Modules of pipeline/model that decide how many fits there are, and of what."""

Result = dict[str, Any]


@dataclass(frozen=True)
class MeasuredTable:
    """A table.

    Attributes:
        title: Its name on the page.
        write: Writes its CSV file.
        options: Options of `adopt`; None if a columns file is bundled.
    """

    title: str
    write: Callable[[Path], None]
    options: tuple[str, ...] | None


def _write_cells(cells: Cells, path: Path) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(cells)


def _copy(variable: str) -> Callable[[Path], None]:
    """Return a function that copies the file that an environment variable names."""

    def write(path: Path) -> None:
        path.write_bytes(Path(os.environ[variable]).read_bytes())

    return write


TABLES = {
    "survey": MeasuredTable("student survey", _copy("TEST_SURVEY"), None),
    "uci": MeasuredTable(
        "UCI student performance", _copy("TEST_UCI"), ("--label=G3", "--positive=<10")
    ),
    "breast_cancer": MeasuredTable(
        "breast cancer",
        lambda path: _write_cells(make_from_sklearn("breast_cancer"), path),
        ("--label=outcome", "--positive=malignant"),
    ),
    "wine": MeasuredTable(
        "wine",
        lambda path: _write_cells(make_from_sklearn("wine"), path),
        ("--label=outcome", "--positive=class_0"),
    ),
    "wide": MeasuredTable(
        "generated: numbers, texts and dates",
        lambda path: write_wide_table(path, WIDE_ROWS),
        OPTIONS,
    ),
}


def run_table(name: str) -> Result:
    """Adopt a table and run the whole life cycle in a new folder; return what it used."""
    one = TABLES[name]
    pipeline = [sys.executable, "-m", "pipeline"]
    environment = {"PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        path = folder / f"{name}.csv"
        one.write(path)
        seconds = {}
        if one.options is not None:
            adopt = [*pipeline, "adopt", f"--data={path}", *one.options]
            seconds["adopt"] = run_and_measure(adopt, environment, folder).cpu_seconds
        usage = run_and_measure([*pipeline, "run", f"--data={path}"], environment, folder)
        seconds["run"] = usage.cpu_seconds
        (report,) = folder.glob("local/**/reports/*/train.json")
        trained = json.loads(report.read_text())
        with path.open(newline="") as file:
            columns = len(next(csv.reader(file)))
            rows = sum(1 for _ in file)
    return {
        "rows": rows,
        "columns": columns,
        "candidate": trained["candidate"],
        "rows_used": trained["rows_used"],
        "cpu_seconds": {command: round(used, 1) for command, used in seconds.items()},
        "mebibytes": round(usage.mebibytes),
    }


def read_or_measure(name: str) -> Result:
    """Return the result of a table; measured again if the code has changed."""
    sources = [ROOT / "pipeline" / "model" / f"{module}.py" for module in MEASURED]
    result: Result = measure(NAME, name, hash_code(sources, WIDE_ROWS), lambda: run_table(name))
    return result


def format_stored() -> str:
    """The table of all stored results."""
    stored = read_results(NAME)
    return format_table({name: stored[name]["results"] for name in TABLES if name in stored})


def format_table(results: dict[str, Result]) -> str:
    """A row per table."""
    header = (
        *("table", "rows x columns", "selected candidate", "compared on", "learned from"),
        *("`adopt`, CPU seconds", "`run`, CPU seconds", "peak of all processes"),
    )
    return table(
        header,
        (
            (
                TABLES[name].title,
                f"{result['rows']:,} x {result['columns']}",
                result["candidate"],
                f"{result['rows_used']['compared']:,}",
                f"{result['rows_used']['fitted']:,}",
                f"{result['cpu_seconds'].get('adopt', 0):.0f}",
                f"{result['cpu_seconds']['run']:.0f}",
                f"{result['mebibytes']:,} MiB",
            )
            for name, result in results.items()
        ),
    )


if __name__ == "__main__":
    for name in sys.argv[1:] or TABLES:
        read_or_measure(name)
    put(PAGE, NAME, format_stored())
