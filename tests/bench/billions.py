"""What a billion rows and ten need, computed from measurements of ten million.

`python -m tests.bench.billions` writes the tables of docs/reference/billions.md. Every figure that
they use is stored in results/billions.json, and is measured again if the code has changed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from pipeline.compute.workers import PARTS_PER_THREAD
from pipeline.drift.tables import PARTS_AT_ONCE
from pipeline.settings.data import IngestSettings
from pipeline.storage.layout import SPLITS
from tests.bench import worker_costs
from tests.bench.cached import ROOT, hash_code, list_modules, measure, read_results
from tests.bench.manifest_costs import measure_merge
from tests.bench.projection import (
    CORES,
    CORES_PER_NODE,
    PRICE,
    ROW_BYTES,
    ROWS,
    SIZES,
    count_parts,
    find_limits,
    get_costs,
    get_hours,
    get_store_hours,
    read_values,
)
from tests.bench.tables import put, table

PAGE = ROOT / "docs/reference/billions.md"
WORKER_STAGES = ("preprocess", "features", "drift", "score")
SOURCES = (
    *("compute", "data", "data_check", "splits", "drift", "scoring", "storage"),
    *("model/rules.py", "model/intervals.py", "stages/preprocess.py", "stages/score.py"),
)
"""Modules and packages in pipeline/ that decide about the results."""


def format_costs(found: dict[str, Any]) -> str:
    """The table of what another million rows need."""
    costs = get_costs(found)
    return table(
        ("stage", "stage itself", "workers", "MinIO", "read", "written", "requests", "stored"),
        (
            (
                f"`{stage}`",
                f"{cost.stage:.2f} s",
                f"{cost.workers:.2f} s",
                f"{cost.store:.2f} s",
                f"{cost.sent / 1e6:.1f} MB",
                f"{cost.received / 1e6:.1f} MB",
                f"{cost.requests:.1f}",
                f"{cost.stored / 1e6:.1f} MB",
            )
            for stage, cost in costs.items()
        ),
    )


def format_sizes(found: dict[str, Any]) -> str:
    """The table of files, objects and manifests."""
    costs, merged = get_costs(found), found["merge"]
    lines: list[tuple[str, Callable[[float], str]]] = [
        ("raw file", lambda rows: f"{rows * ROW_BYTES / 1e9:,.0f} GB"),
        (
            "stored by a run with `score`",
            lambda rows: f"{sum(c.stored for c in costs.values()) * rows / 1e15:,.0f} GB",
        ),
        ("parts of silver", lambda rows: f"{count_parts(rows)['silver']:,}"),
        ("parts of gold", lambda rows: f"{count_parts(rows)['gold']:,}"),
        (
            "parts of predictions, as Parquet and CSV each",
            lambda rows: f"{count_parts(rows)['scores']:,}",
        ),
        (
            "gold's manifest as JSON",
            lambda rows: f"{count_parts(rows)['gold'] * merged['bytes_per_part'] / 1e6:.1f} MB",
        ),
        (
            "memory to merge and read it",
            lambda rows: (
                f"{count_parts(rows)['gold'] * merged['kibibytes_per_part'] / 1024:.0f} MiB"
            ),
        ),
    ]
    return table(
        ("", *(f"{rows / 1e9:g} billion rows" for rows in ROWS)),
        ((name, *(get(rows) for rows in ROWS)) for name, get in lines),
    )


def format_hours(found: dict[str, Any]) -> str:
    """The table of hours, nodes and cost, and of the rate that MinIO must sustain."""
    costs = get_costs(found)
    lines = []
    for rows in ROWS:
        for cores in CORES:
            hours = sum(get_hours(stage, cost, rows, cores) for stage, cost in costs.items())
            slow = sum(
                max(
                    get_hours(stage, cost, rows, cores), get_store_hours(cost, found["store"], rows)
                )
                for stage, cost in costs.items()
            )
            moved = sum(cost.sent + cost.received for cost in costs.values()) * rows / 1e6
            store = sum(cost.store for cost in costs.values()) * rows / 1e6 / 3_600
            lines.append(
                (
                    f"{rows / 1e9:g} billion",
                    str(cores),
                    str(math.ceil(cores / CORES_PER_NODE)),
                    f"{hours:.1f} h",
                    f"{slow:.1f} h",
                    f"{(cores + 1) * hours + store:,.0f}",
                    f"{((cores + 1) * hours + store) * PRICE:,.2f} USD",
                    f"{moved / 1e6 / hours / 3_600:,.0f} MB/s",
                    f"{store / hours:.1f}",
                )
            )
    nodes, price = f"nodes of {CORES_PER_NODE} cores", f"cost at {PRICE} USD per core hour"
    times = ("time", "time with the measured MinIO")
    header = ("rows", "worker cores", nodes, *times, "core hours", price)
    return table((*header, "traffic of the store", "cores that MinIO uses"), lines)


def format_limits(found: dict[str, Any]) -> str:
    """The table of the defaults that are too small for large tables, in the order they break."""
    return table(
        ("from", "limit", "measured", "what to do"),
        (
            (f"{rows / 1e6:,.0f} million rows", limit, measured_by, advice)
            for rows, limit, measured_by, advice in find_limits(found)
        ),
    )


def format_rates(found: dict[str, Any]) -> str:
    """The table of what the scheduler and the store can do at most, and for how many cores."""
    costs, tasks, store = get_costs(found), found["tasks"], found["store"]
    per_part = costs["preprocess"].workers * IngestSettings().part_bytes / ROW_BYTES / 1e6
    capacity = 1_000 / max(tasks["scheduler_ms"], tasks["stage_ms"])
    cores = min(
        store["read" if name == "sent" else "write"]["per_second"]
        / (getattr(costs[stage], name) / 1e6)
        * costs[stage].workers
        for stage in WORKER_STAGES
        for name in ("sent", "received")
        if getattr(costs[stage], name)
    )
    limit = read_values()["dask"]["scheduler"]["resources"]["limits"]["memory"]
    mebibytes = int(limit.removesuffix("Gi")) * 1024
    log = found[f"{SIZES[1]} rows"]
    logged = sum(log[stage]["log_bytes"] for stage in worker_costs.STAGES)
    return table(
        ("part", "measured", "enough for"),
        (
            (
                "Dask's scheduler",
                f"{tasks['scheduler_ms']:.2f} ms of its processor per part, and "
                f"{tasks['stage_ms']:.2f} ms of the stage's",
                f"{capacity * per_part:,.0f} cores of workers: a part of `preprocess` takes "
                f"{per_part:.1f} s",
            ),
            (
                "The scheduler's memory",
                f"{tasks['scheduler_mebibytes']:.1f} MiB more in the scheduler after 1,000 parts",
                f"{mebibytes / tasks['scheduler_mebibytes']:,.0f} thousand parts in its "
                f"limit of {mebibytes:,} MiB; at most {PARTS_PER_THREAD} per thread are "
                "submitted at a time",
            ),
            (
                "MinIO on one volume",
                f"{store['write']['per_second']:,.0f} MB/s written, "
                f"{store['read']['per_second']:,.0f} MB/s read",
                f"{cores:.1f} cores of workers in the stage that moves most",
            ),
            (
                "`drift`",
                f"{PARTS_AT_ONCE} parts at a time",
                f"{PARTS_AT_ONCE} cores of workers",
            ),
            (
                "Airflow's log",
                f"{logged / 1e3:.1f} kB for all stages of {SIZES[1] / 1e6:g} million rows",
                "any table: a stage logs one line per worker, and none per part",
            ),
        ),
    )


MEASURES: dict[str, Callable[[], Any]] = {
    **{f"{rows} rows": partial(worker_costs.measure_table, rows) for rows in SIZES},
    "tasks": worker_costs.measure_tasks,
    "store": worker_costs.measure_store,
    "merge": partial(measure_merge, count_parts(ROWS[-1])["gold"] // len(SPLITS)),
}


def measured() -> dict[str, Any]:
    """All results; measured again if the code that they measure has changed."""
    code = hash_code(sorted(list_modules(SOURCES)))
    return {name: measure("billions", name, code, run) for name, run in MEASURES.items()}


def read_stored() -> dict[str, Any]:
    """The stored results."""
    return {name: part["results"] for name, part in read_results("billions").items()}


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "costs": format_costs,
    "sizes": format_sizes,
    "hours": format_hours,
    "limits": format_limits,
    "rates": format_rates,
}
"""Mark in the page -> what formats its table."""


if __name__ == "__main__":
    results = measured()
    for name, format_table in TABLES.items():
        put(PAGE, name, format_table(results))
