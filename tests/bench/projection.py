"""What tables of any size need, computed from the measured costs of two sizes."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import yaml

from pipeline.drift.tables import PARTS_AT_ONCE
from pipeline.settings.data import IngestSettings
from pipeline.splits.write import STRIPE_VALUES
from pipeline.stages.score import PART_BYTES as LIST_PART_BYTES
from pipeline.storage.layout import SPLITS
from pipeline.storage.parquet import get_column_types
from tests.bench import worker_costs
from tests.bench.cached import ROOT
from tests.support.helm import CHART

SIZES = (4_000_000, 10_000_000)
"""Rows of the measured tables. What grows with the rows is their difference."""
ROWS = (1e9, 1e10)
CORES = (2, 16, 64, 256)
"""Cores of the workers, one thread each."""
MANY = 10**9
"""More cores than any stage can use."""
CORES_PER_NODE = 8
PRICE = 0.05
"""Assumed price of a core with 4 GiB of memory for an hour, in US dollars."""
ROW_BYTES = 19
"""Of a raw row of the survey."""
GIB = 1 << 30


@dataclass(frozen=True)
class Costs:
    """What a million rows need in a stage.

    Attributes:
        stage: Processor time of the stage itself, in seconds; nothing else can do this work.
        workers: Processor time of the workers, in seconds.
        store: Processor time of MinIO, in seconds.
        sent: Bytes that MinIO sent.
        received: Bytes that it received.
        requests: Requests that it answered.
        objects: Objects that the stage left in it.
        stored: Bytes of these.
    """

    stage: float
    workers: float
    store: float
    sent: float
    received: float
    requests: float
    objects: float
    stored: float


def get_costs(found: dict[str, Any]) -> dict[str, Costs]:
    """Return what each stage needs for another million rows."""
    small, large = (found[f"{rows} rows"] for rows in SIZES)
    millions = (SIZES[1] - SIZES[0]) / 1e6
    return {
        stage: Costs(
            **{
                name: max(0.0, (large[stage][name] - small[stage][name]) / millions)
                for name in Costs.__dataclass_fields__
            }
        )
        for stage in worker_costs.STAGES
    }


def count_parts(rows: float) -> dict[str, int]:
    """Return the parts of each table, for tables of the survey's columns and default settings."""
    stripes = math.ceil(rows * len(get_column_types()) / STRIPE_VALUES)
    return {
        "silver": math.ceil(rows * ROW_BYTES / IngestSettings().part_bytes),
        "gold": stripes * len(SPLITS),
        "scores": math.ceil(rows * ROW_BYTES / LIST_PART_BYTES),
    }


def get_hours(stage: str, costs: Costs, rows: float, cores: int) -> float:
    """Return how long a stage takes: its own work, and then that of the workers.

    Both overlap in part, so this is an upper bound if nothing else is slow.
    """
    threads = min(cores, PARTS_AT_ONCE) if stage == "drift" else cores
    return (costs.stage + costs.workers / threads) * rows / 1e6 / 3_600


def get_store_hours(costs: Costs, store: dict[str, dict[str, float]], rows: float) -> float:
    """Return how long a store of a measured throughput needs for the traffic of a stage."""
    seconds = (
        costs.sent / store["read"]["per_second"] + costs.received / store["write"]["per_second"]
    )
    return seconds / 1e6 * rows / 1e6 / 3_600


def read_timeout() -> float:
    """Return Airflow's limit for an attempt of a stage, in hours; Airflow need not be installed."""
    text = (ROOT / "dags/pods.py").read_text()
    found = re.search(r"^EXECUTION_TIMEOUT = timedelta\(hours=(\d+)\)", text, re.MULTILINE)
    assert found
    return float(found[1])


def read_values() -> dict[str, Any]:
    """Return the chart's values."""
    values: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
    return values


def find_limits(found: dict[str, Any]) -> list[tuple[float, str, str, str]]:
    """Return at how many rows each default is too small, with what to set then; smallest first."""
    costs = get_costs(found)
    values = read_values()
    volume = float(values["minio"]["persistence"]["size"].removesuffix("Gi"))
    workers = values["dask"]["workers"]["replicas"] * values["dask"]["workers"]["threads"]
    stored = sum(cost.stored for cost in costs.values())
    slowest = max(costs, key=lambda stage: get_hours(stage, costs[stage], 1, workers))
    serial = max(costs, key=lambda stage: get_hours(stage, costs[stage], 1, MANY))
    timeout = read_timeout()
    limits = [
        (
            IngestSettings().max_bytes / ROW_BYTES,
            f"`MLOPS_INGEST__MAX_BYTES`, {IngestSettings().max_bytes / 1e9:g} GB",
            f"{ROW_BYTES} bytes per raw row",
            "Raise it. `ingest` needs twice as much free space in its pod's `/tmp`, on the node",
        ),
        (
            volume * GIB / stored * 1e6,
            f"MinIO's volume, {volume:g} GiB (`minio.persistence.size`)",
            f"{stored / 1e6:.0f} bytes per row that a run stores",
            "A larger volume, or an external store (`objectStore.external`)",
        ),
        (
            timeout / get_hours(slowest, costs[slowest], 1, workers),
            f"Airflow's limit of {timeout:g} hours for an attempt, with {workers} workers",
            f"`{slowest}`, {get_hours(slowest, costs[slowest], 1e6, workers) * 3_600:.2f} s per "
            "million rows",
            "More workers (`dask.workers.replicas`, or `autoscaling`)",
        ),
        (
            timeout / get_hours(serial, costs[serial], 1, MANY),
            "The same limit, with any number of workers",
            f"`{serial}`, {get_hours(serial, costs[serial], 1e6, MANY) * 3_600:.2f} s per million "
            "rows",
            "`EXECUTION_TIMEOUT` in dags/pods.py, or a sample of the table",
        ),
    ]
    return sorted(limits)
