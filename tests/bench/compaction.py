"""Objects, bytes and reading time of an hour of live traffic, before and after `compact`.

`python -m tests.bench.compaction` writes the table of docs/reference/scale.md. The rows are those
of two predictors, which write an object every five seconds, to an S3 server on the same machine.
"""

from __future__ import annotations

import os
import statistics
import time
import uuid
import zlib
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import numpy as np

from pipeline.columns import FEATURE_NAMES, FEATURES, PROBABILITY
from pipeline.context import Context, open_context
from pipeline.data.traffic_window import read_window
from pipeline.settings import Settings
from pipeline.stages import compact
from pipeline.storage.lake import Lake
from pipeline.storage.layout import LAYERS, SILVER_LIVE, bucket_name, live_traffic_object
from pipeline.storage.s3 import s3_client
from serving.settings import PredictorSettings
from serving.traffic_log import COMPRESSION_LEVEL, GZIP
from tests.bench.cached import ROOT, hash_code, list_modules, measure
from tests.bench.tables import put, table

PAGE = ROOT / "docs/reference/scale.md"
PART = "compaction"
PODS = ("pod-a", "pod-b")
RATES = (10, 100)
"""Rows per second and pod."""
INTERVAL_SECONDS = round(PredictorSettings().log_flush_interval_seconds)
HOUR = datetime(2026, 3, 2, 9, tzinfo=UTC)
ROUNDS = 3
SOURCES = ("data/live_traffic.py", "data/traffic_window.py", "stages/compact.py")
"""Modules in pipeline/ that decide about the results."""


def write_hour(lake: Lake, rate: int) -> None:
    """Write the objects of an hour as predictors do, with random rows."""
    random = np.random.default_rng(1)
    features = "".join(f'"{name}":%.9g,' for name in FEATURE_NAMES)
    line = f'{{"at":"%s","request_id":"%s","version":"1",{features}"{PROBABILITY}":%r}}\n'
    for pod in PODS:
        for second in range(0, 3_600, INTERVAL_SECONDS):
            at = HOUR + timedelta(seconds=second)
            rows = [
                line
                % (
                    (at + timedelta(seconds=row // rate)).isoformat(),
                    uuid.UUID(bytes=random.bytes(16)).hex,
                    *(_draw(random, feature) for feature in FEATURES),
                    round(random.random(), 7),
                )
                for row in range(rate * INTERVAL_SECONDS)
            ]
            packer = zlib.compressobj(COMPRESSION_LEVEL, wbits=GZIP)
            data = packer.compress("".join(rows).encode()) + packer.flush()
            number = int((at.timestamp() + INTERVAL_SECONDS - 0.001) * 1000)
            lake.write(live_traffic_object(f"{at:%Y-%m-%d}", pod, number), data)


def _draw(random: np.random.Generator, feature: Any) -> float:
    """Draw a value that a feature accepts, with a decimal at most."""
    codes = getattr(feature, "codes", None)
    if codes:
        return float(random.choice(list(codes.values())))
    value = float(random.uniform(feature.low, feature.high))
    return float(round(value, 0 if feature.is_integer else 1))


def measure_state(lake: Lake) -> dict[str, Any]:
    """Count the objects and their bytes, and time how long all rows take to be read."""
    keys = lake.keys(SILVER_LIVE)
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        traffic = read_window(lake, HOUR, HOUR + timedelta(hours=1), 10_000_000, 0)
        seconds.append(time.perf_counter() - start)
    return {
        "objects": len(keys),
        "bytes": sum(map(lake.size, keys)),
        "rows": len(traffic.rows),
        "seconds": statistics.median(seconds),
    }


def simulate() -> list[dict[str, Any]]:
    """Measure an hour of each of RATES before and after it is compacted."""
    from moto.server import ThreadedMotoServer

    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    os.environ |= keys | {"AWS_DEFAULT_REGION": "us-east-1"}
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    results = []
    for rate in RATES:
        context = make_context(f"http://{host}:{port}", f"rate-{rate}")
        write_hour(context.lake, rate)
        before = measure_state(context.lake)
        start = time.perf_counter()
        compact.run(context, HOUR + timedelta(hours=1))
        seconds = time.perf_counter() - start
        after = measure_state(context.lake)
        assert before["rows"] == after["rows"]
        results.append({"rate": rate, "before": before, "after": after, "compact": seconds})
    server.stop()
    return results


def make_context(endpoint: str, prefix: str) -> Context:
    """Make a context on an empty lake."""
    lake = {"url": f"s3://{prefix}", "endpoint": endpoint}
    context = open_context(Settings.model_validate({"lake": lake}), "compaction")
    client: Any = s3_client(context.settings.lake)
    for layer in LAYERS:
        client.create_bucket(Bucket=bucket_name(layer, prefix))
    return context


def measured() -> list[dict[str, Any]]:
    """The results; measured again if the code that they measure has changed."""
    code = hash_code(list_modules(SOURCES), PODS, RATES, INTERVAL_SECONDS)
    found: list[dict[str, Any]] = measure("compaction", PART, code, partial(simulate))
    return found


def format_results(results: list[dict[str, Any]]) -> str:
    """The table of the results."""
    lines = []
    for result in results:
        before, after = result["before"], result["after"]
        lines.append(
            (
                f"{result['rate']} rows a second per predictor, {before['rows']:,} rows",
                f"{before['objects']:,} → {after['objects']:,}",
                f"{before['bytes'] / 1e6:.1f} → {after['bytes'] / 1e6:.1f} MB",
                f"{before['seconds'] / after['seconds']:.0f} x faster",
                f"{result['compact'] / before['seconds']:.1f} x",
            )
        )
    header = ("traffic of an hour", "objects", "size", "reading all rows")
    return table((*header, "`compact`, relative to one reading before"), lines)


if __name__ == "__main__":
    put(PAGE, PART, format_results(measured()))
