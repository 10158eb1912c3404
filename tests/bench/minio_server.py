"""A MinIO server of this machine with one folder, and what it counts."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from pipeline.commands.local_servers import find_free_port
from pipeline.polling import poll_until
from pipeline.settings.connections import LakeSettings
from pipeline.storage.layout import LAYERS, bucket_name
from pipeline.storage.s3 import s3_client
from tests.bench.cached import ROOT

KEYS = {"AWS_ACCESS_KEY_ID": "benchmark", "AWS_SECRET_ACCESS_KEY": "benchmark-secret"}
COUNTERS = {
    "sent": "minio_api_requests_traffic_sent_bytes",
    "received": "minio_api_requests_traffic_received_bytes",
    "requests": "minio_api_requests_total",
}
"""Name -> MinIO's counter."""


@dataclass(frozen=True)
class MinioServer:
    """A running server with the lake's buckets.

    Attributes:
        url: Its URL.
        pid: Id of its process.
    """

    url: str
    pid: int

    @property
    def variables(self) -> dict[str, str]:
        """Environment of the stages and workers whose lake it has."""
        lake = {"MLOPS_LAKE__URL": "s3://", "MLOPS_LAKE__ENDPOINT": self.url}
        return KEYS | lake | {"AWS_DEFAULT_REGION": "us-east-1"}

    @property
    def settings(self) -> LakeSettings:
        """The settings of its lake."""
        return LakeSettings(url="s3://", endpoint=self.url)

    def make_client(self) -> Any:
        """Return an S3 client; the keys must be in the environment."""
        return s3_client(self.settings)

    def count(self) -> dict[str, float]:
        """Return the bytes that it has sent and received, and the requests that it has answered."""
        text = httpx.get(f"{self.url}/minio/metrics/v3/api/requests", timeout=60).text
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
def serve_minio(folder: Path) -> Iterator[MinioServer]:
    """Run a server, with empty buckets.

    Args:
        folder: The folder of its data.
    """
    url = f"http://127.0.0.1:{find_free_port()}"
    environment = {
        "MINIO_ROOT_USER": KEYS["AWS_ACCESS_KEY_ID"],
        "MINIO_ROOT_PASSWORD": KEYS["AWS_SECRET_ACCESS_KEY"],
        "MINIO_PROMETHEUS_AUTH_TYPE": "public",
        "MINIO_UPDATE": "off",
        "HOME": str(folder),
    }
    command = [find_minio(), "server", "--quiet", f"--address={url[7:]}", str(folder / "data")]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            is_ready = poll_until(lambda: _answers(url), timeout_seconds=60, interval_seconds=0.1)
            assert is_ready, f"MinIO at {url} did not start"
            server = MinioServer(url, process.pid)
            os.environ.update(KEYS, AWS_DEFAULT_REGION="us-east-1")
            for layer in LAYERS:
                server.make_client().create_bucket(Bucket=bucket_name(layer, ""))
            yield server
        finally:
            process.terminate()


def _answers(url: str) -> bool | None:
    try:
        return httpx.get(f"{url}/minio/health/ready", timeout=5).is_success or None
    except httpx.TransportError:
        return None
