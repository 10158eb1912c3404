"""The comparison of columns on many rows, compared with plain Evidently.

`python -m tests.bench.drift scale` writes the table of docs/reference/drift.md.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.columns import FEATURES
from pipeline.drift import evidently_report
from pipeline.drift.columns import Column, feature_columns
from pipeline.drift.comparison import compare_columns
from pipeline.drift.report import count_drifted
from tests.bench.cached import ROOT
from tests.bench.drift_simulation import EVIDENTLYS, population
from tests.bench.tables import table


def many(rows: int, columns: int, random: np.random.Generator, shift: float) -> pd.DataFrame:
    """Draw the five survey columns, or a third each of continuous, stepped and categorical ones."""
    if columns == len(FEATURES):
        frame = pd.DataFrame(population(rows, random))
        return frame.assign(review_hours=frame["review_hours"] * (1 + shift))
    data = {}
    for position in range(columns):
        kind, more = divmod(position, columns // 3)
        if kind == 0:
            data[f"number_{position}"] = random.normal(shift * (more % 3), 1 + more, rows)
        elif kind == 1:
            data[f"grid_{position}"] = np.round(random.uniform(3, 8, rows) + shift * (more % 2), 1)
        else:
            weights = np.linspace(1, 1 + 5 * shift * (more % 2), 2 + more)
            data[f"category_{position}"] = random.choice(
                2 + more, rows, p=weights / weights.sum()
            ).astype(float)
    return pd.DataFrame(data)


def get_columns(frame: pd.DataFrame) -> list[Column]:
    if len(frame.columns) == len(FEATURES):
        return feature_columns()
    return [
        Column(name, "category" if name.startswith("category") else "number")
        for name in map(str, frame)
    ]


def child(which: str, folder: Path) -> dict[str, Any]:
    """Run one of the two programs in this process; return times, memory, scores and verdicts."""
    evidently = evidently_report.load()
    reference, current = (
        pd.read_parquet(folder / f"{side}.parquet") for side in ("reference", "current")
    )
    columns = get_columns(reference)
    start, work = time.perf_counter(), time.process_time()
    if which == "ours":
        found = compare_columns(reference, current, columns, EVIDENTLYS, 1)
        (folder / "ours.html").write_bytes(found.page)
        scores = {name: (column.score, column.drifted) for name, column in found.columns.items()}
        verdict = count_drifted(found.columns).fraction >= 0.5
    else:
        kinds = {
            kind: [column.name for column in columns if column.kind == kind]
            for kind in ("number", "category")
        }
        definition = evidently.DataDefinition(
            numerical_columns=kinds["number"], categorical_columns=kinds["category"]
        )
        sides = [evidently.Dataset.from_pandas(frame, definition) for frame in (current, reference)]
        result = evidently.Report([evidently.presets.DataDriftPreset()], include_tests=True).run(
            *sides
        )
        result.save_html(str(folder / "plain.html"))
        metrics = {metric["id"]: metric for metric in result.dict()["metrics"]}
        failed = {
            test["metric_config"]["metric_id"]: test["status"].value == "FAIL"
            for test in result.dict()["tests"]
        }
        by_column = {key: metric for key, metric in metrics.items() if "column" in metric["config"]}
        scores = {
            metric["config"]["column"]: (float(metric["value"]), failed[key])
            for key, metric in by_column.items()
        }
        verdict = next(failed[key] for key in metrics if key not in by_column)
    return {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - work,
        "mebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "scores": scores,
        "verdict": bool(verdict),
    }


def scale(columns: int, rows: int = 1_000_000) -> dict[str, dict[str, Any]]:
    """Compare our check and plain Evidently on the same files, one after the other."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        program = "import sys; from tests.bench import drift_scale; drift_scale.make(*sys.argv[1:])"
        subprocess.run(
            [sys.executable, "-c", program, str(rows), str(columns), temporary],
            cwd=ROOT,
            check=True,
        )
        found = {}
        for which in ("ours", "plain"):
            command = [
                sys.executable,
                "-W",
                "ignore",
                "-m",
                "tests.bench.drift_scale",
                which,
                str(folder),
            ]
            done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
            found[which] = json.loads(done.stdout)
    return found


def make(rows: str, columns: str, folder: str) -> None:
    """Write both files in a separate process, because a child inherits its parent's peak memory."""
    random = np.random.default_rng(1)
    for side, shift in (("reference", 0.0), ("current", 0.3)):
        many(int(rows), int(columns), random, shift).to_parquet(f"{folder}/{side}.parquet")


def difference(found: dict[str, dict[str, Any]]) -> float:
    """Return the largest difference between two scores; infinity if a verdict differs."""
    ours, plain = found["ours"], found["plain"]
    same = ours["verdict"] == plain["verdict"] and ours["scores"].keys() == plain["scores"].keys()
    same = same and all(
        ours["scores"][name][1] == plain["scores"][name][1] for name in ours["scores"]
    )
    return (
        max(abs(ours["scores"][name][0] - plain["scores"][name][0]) for name in ours["scores"])
        if same
        else float("inf")
    )


def scale_table(found: dict[int, dict[str, dict[str, Any]]]) -> str:
    rows = []
    for columns, ways in found.items():
        for which, title in (
            ("plain", "plain Evidently"),
            ("ours", "ours, with a page from 5,000 rows"),
        ):
            way = ways[which]
            times = ways["plain"]["cpu_seconds"] / way["cpu_seconds"]
            rows.append(
                (
                    f"1,000,000 x {columns}",
                    title,
                    f"{way['seconds']:.1f} s",
                    f"{way['cpu_seconds']:.1f} s",
                    f"{times:.0f} x",
                    f"{way['mebibytes']:,.0f} MiB",
                    f"{sum(verdict for _, verdict in way['scores'].values())} of {columns}",
                )
            )
        rows[-1] = (
            *rows[-1][:-1],
            f"{rows[-1][-1]}; scores differ by at most {difference(ways):.0e}",
        )
    return table(
        (
            "rows x columns",
            "way",
            "wall time",
            "CPU time",
            "faster",
            "peak memory",
            "drifted columns",
        ),
        rows,
    )


if __name__ == "__main__":
    sys.stdout.write(json.dumps(child(sys.argv[1], Path(sys.argv[2]))))
