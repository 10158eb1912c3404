"""What the stages cost on Dask workers: the stage itself, the workers, the scheduler and the store.

`python -m tests.bench.billions` runs it. A scheduler, two workers and MinIO run on this machine,
with TLS off. Processor time and bytes can be measured on a busy machine; only the throughput of the
store and the tasks per second need a quiet one.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.compute import workers
from pipeline.compute.parts import run_parts
from pipeline.context import open_context
from pipeline.model.bundle import write_fallback
from pipeline.settings import Settings
from pipeline.settings.connections import DaskSettings
from pipeline.storage.artifacts.data import BronzePointer
from pipeline.storage.lake import Lake, open_lake
from pipeline.storage.layout import (
    SCORES,
    bronze_manifest,
    bronze_pointer,
    gold_manifest,
    inbox_file,
    is_scores_manifest,
    list_to_score,
    silver_manifest,
)
from pipeline.storage.s3 import s3_client
from tests.bench.minio_server import count_traffic, serve_lake
from tests.bench.stage_runs import run_stage, write_source
from tests.support.forest import make_bundle
from tests.support.minio_server import MinioServer
from tests.support.parts import DaskProcesses
from tests.support.process_tree import read_cpu_seconds, read_mebibytes

STAGES = ("ingest", "preprocess", "features", "train", "drift", "score")
REPEATS = 3
TRAIN_ROWS = 1_000_000
"""MLOPS_TRAIN__MAX_ROWS."""
UPLOADED = ("inbox/", "scoring/")
"""Files that people upload."""
EMPTY_PARTS = 5_000
OBJECT_BYTES, OBJECTS, CONNECTIONS = 32 << 20, 64, 4


@dataclass(frozen=True)
class Platform:
    """What the stages use.

    Attributes:
        minio: The store with the lake.
        dask: The scheduler and two workers, `one` and `two`.
    """

    minio: MinioServer
    dask: DaskProcesses

    def count(self) -> dict[str, float]:
        """Return what was used so far: the processor time of each process, and the traffic."""
        return count_traffic(self.minio) | {
            "workers": sum(read_cpu_seconds(self.dask.get_pid(name)) for name in ("one", "two")),
            "scheduler": read_cpu_seconds(self.dask.get_pid("scheduler")),
            "store": read_cpu_seconds(self.minio.pid),
        }


@contextlib.contextmanager
def run_platform() -> Iterator[Platform]:
    """Run MinIO, a scheduler and two workers."""
    with tempfile.TemporaryDirectory() as name, serve_lake(Path(name)) as minio:
        dask = DaskProcesses(Path(name))
        dask.variables |= {"MLOPS_LAKE__URL": "s3://", "MLOPS_LAKE__ENDPOINT": minio.url}
        try:
            dask.start_scheduler()
            for worker in ("one", "two"):
                dask.start_worker(worker)
                dask.wait_for_log(worker, "is connected to")
            yield Platform(minio, dask)
        finally:
            dask.close()
            workers.close()


def measure_table(rows: int) -> dict[str, Any]:
    """Run every stage on a table, several times.

    Returns:
        Stage -> what each process needed, in seconds of processor time, and the traffic of the
        store, as medians; and, under `manifests`, the number of parts and bytes of each manifest.
    """
    runs = [_run_stages(rows) for _ in range(REPEATS)]
    medians = {
        stage: {name: statistics.median(run[stage][name] for run in runs) for name in needs}
        for stage, needs in runs[0].items()
        if stage in STAGES
    }
    return medians | {"manifests": runs[0]["manifests"]}


def _run_stages(rows: int) -> dict[str, Any]:
    with run_platform() as platform, tempfile.TemporaryDirectory() as name:
        source = Path(name) / "table.csv"
        write_source(source, rows)
        client: Any = s3_client(platform.minio.settings)
        for key in (inbox_file(source.name), list_to_score(source.name)):
            bucket, _, rest = key.partition("/")
            client.upload_file(str(source), bucket, rest)
        lake = open_lake(platform.minio.settings)
        write_fallback(lake, make_bundle())
        found: dict[str, Any] = {}
        for stage in STAGES:
            before, keys = platform.count(), _count_objects(platform)
            found[stage] = _run_stage(platform, stage, source.name)
            found[stage] |= {key: value - before[key] for key, value in platform.count().items()}
            objects, size = _count_objects(platform)
            found[stage] |= {"objects": objects - keys[0], "stored": size - keys[1]}
        return found | {"manifests": measure_manifests(lake)}


def _run_stage(platform: Platform, stage: str, name: str) -> dict[str, float]:
    options = ["--uploaded", name] if stage == "score" else []
    environment = platform.dask.variables | {
        "MLOPS_INGEST__SOURCE": f"s3://{inbox_file(name)}",
        "MLOPS_TRAIN__MAX_ROWS": str(TRAIN_ROWS),
    }
    usage = run_stage(stage, "bench", environment, *options)
    return {"stage": usage.cpu_seconds, "mebibytes": usage.mebibytes, "log_bytes": len(usage.log)}


def _count_objects(platform: Platform) -> tuple[int, int]:
    """The number of objects that stages have written, and their bytes."""
    client: Any = s3_client(platform.minio.settings)
    sizes = [
        item["Size"]
        for bucket in client.list_buckets()["Buckets"]
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket["Name"])
        for item in page.get("Contents", ())
        if not item["Key"].startswith(UPLOADED)
    ]
    return len(sizes), sum(sizes)


def measure_manifests(lake: Lake) -> dict[str, dict[str, int]]:
    """Return the parts and the bytes of each manifest of the run."""
    sha256 = lake.read_model(bronze_pointer("bench"), BronzePointer).sha256
    (scores,) = [key for key in lake.keys(SCORES) if is_scores_manifest(key, "bench")]
    keys = {
        "bronze": bronze_manifest(sha256),
        "silver": silver_manifest("bench"),
        "gold": gold_manifest("bench"),
        "scores": scores,
    }
    return {
        name: {"parts": (data := lake.read(key)).count(b'"sha256":'), "bytes": len(data)}
        for name, key in keys.items()
    }


def return_part(_: Lake, part: int) -> int:
    """Do nothing with a part."""
    return part


def measure_tasks() -> dict[str, float]:
    """Run EMPTY_PARTS parts that do nothing.

    Returns:
        Parts per second, the processor time of each process per part in milliseconds, and by how
        many MiB the memory of the scheduler grew per 1,000 parts.
    """
    with run_platform() as platform:
        settings = Settings(
            lake=platform.minio.settings, dask=DaskSettings(**platform.dask.settings)
        )
        context = open_context(settings, "bench")
        list(run_parts(return_part, range(100), context))  # opens the connections
        scheduler = platform.dask.get_pid("scheduler")
        before, memory, own = platform.count(), read_mebibytes(scheduler), time.process_time()
        start = time.perf_counter()
        assert list(run_parts(return_part, range(EMPTY_PARTS), context)) == list(range(EMPTY_PARTS))
        seconds, own = time.perf_counter() - start, time.process_time() - own
        after, grown = platform.count(), read_mebibytes(scheduler) - memory
        return {
            "parts_per_second": EMPTY_PARTS / seconds,
            "stage_ms": own / EMPTY_PARTS * 1_000,
            "scheduler_ms": (after["scheduler"] - before["scheduler"]) / EMPTY_PARTS * 1_000,
            "workers_ms": (after["workers"] - before["workers"]) / EMPTY_PARTS * 1_000,
            "scheduler_mebibytes": grown / EMPTY_PARTS * 1_000,
        }


def measure_store() -> dict[str, dict[str, float]]:
    """Write and read objects of the size of a part, over several connections.

    Returns:
        `write` and `read` -> MB per second, and MB per second of the server's processor time.
    """
    data = bytes(range(256)) * (OBJECT_BYTES // 256)
    megabytes = OBJECT_BYTES * OBJECTS / 1e6
    with tempfile.TemporaryDirectory() as name, serve_lake(Path(name)) as minio:
        client: Any = s3_client(minio.settings)

        def write(number: int) -> None:
            client.put_object(Bucket="bronze", Key=str(number), Body=data)

        def read(number: int) -> None:
            client.get_object(Bucket="bronze", Key=str(number))["Body"].read()

        found = {}
        for function in (write, read):
            start, cpu = time.perf_counter(), read_cpu_seconds(minio.pid)
            with concurrent.futures.ThreadPoolExecutor(CONNECTIONS) as pool:
                for future in [pool.submit(function, number) for number in range(OBJECTS)]:
                    future.result()
            seconds = time.perf_counter() - start
            cpu = read_cpu_seconds(minio.pid) - cpu
            found[function.__name__] = {
                "per_second": megabytes / seconds,
                "per_cpu_second": megabytes / cpu,
            }
        return found
