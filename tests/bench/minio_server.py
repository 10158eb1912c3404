"""MinIO with an empty lake, and what it counts."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from pipeline.storage.layout import LAYERS, bucket_name
from pipeline.storage.s3 import s3_client
from tests.bench.cached import ROOT
from tests.support.minio_server import MinioServer, run_minio

COUNTERS = {
    "sent": "minio_api_requests_traffic_sent_bytes",
    "received": "minio_api_requests_traffic_received_bytes",
    "requests": "minio_api_requests_total",
}
"""Name -> MinIO's counter."""


def count_traffic(minio: MinioServer) -> dict[str, float]:
    """Return the bytes that MinIO has sent and received, and the requests that it has answered."""
    text = httpx.get(f"{minio.url}/minio/metrics/v3/api/requests", timeout=60).text
    return {
        name: sum(map(float, re.findall(rf"^{counter}{{.*}} (\S+)$", text, re.MULTILINE)))
        for name, counter in COUNTERS.items()
    }


def find_minio() -> str:
    """Return the program.

    Raises:
        AssertionError: If there is none.
    """
    built = sorted((ROOT / "images/programs").glob("minio-*"))
    found = str(built[-1]) if built else shutil.which("minio")
    assert found, "MinIO is missing: put `minio` into PATH (images/minio.Dockerfile compiles it)"
    return found


@contextlib.contextmanager
def serve_lake(folder: Path) -> Iterator[MinioServer]:
    """Run MinIO with the buckets of a lake, which are empty.

    Args:
        folder: The folder of its data.
    """
    with run_minio(find_minio(), folder, MINIO_PROMETHEUS_AUTH_TYPE="public") as minio:
        client: Any = s3_client(minio.settings)
        for layer in LAYERS:
            client.create_bucket(Bucket=bucket_name(layer, ""))
        yield minio
