"""A real MLflow server, and models registered on it as the stage `register` does."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from pipeline.commands.local_servers import find_free_port
from pipeline.model.bundle import Bundle
from pipeline.polling import poll_until
from pipeline.settings.connections import MlflowSettings
from pipeline.tracking.registry import Registry
from tests.support.versions import register_bundle

START_TIMEOUT_SECONDS = 150
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}


@contextlib.contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """Start a server with one worker on SQLite that proxies artifacts; yields its URL."""
    url = f"http://127.0.0.1:{find_free_port()}"
    options = {
        "--host": "127.0.0.1",
        "--port": url.rpartition(":")[2],
        "--workers": "1",
        "--backend-store-uri": f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination": str(folder / "artifacts"),
    }
    command = [sys.executable, "-m", "mlflow", "server", "--serve-artifacts"]
    command += [word for option in options.items() for word in option]
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, env=os.environ | QUIET
        )

    def probe() -> bool | None:
        try:
            response = httpx.get(f"{url}/health", timeout=2)
        except httpx.TransportError:
            return None if process.poll() is None else False
        return True if response.status_code == httpx.codes.OK else None

    try:
        started = poll_until(probe, timeout_seconds=START_TIMEOUT_SECONDS, interval_seconds=0.1)
        assert started, f"{url} is not ready:\n{log.read_text(errors='replace')[-3000:]}"
        yield url
    finally:
        process.terminate()
        process.wait(30)


class RegisteredModel:
    """A registered model of its own on a server.

    Args:
        mlflow_url: URL of the server.
        artifact_location: Folder for the artifacts; by default the server proxies them.
    """

    def __init__(self, mlflow_url: str, artifact_location: Path | None = None) -> None:
        self.name = f"model-{uuid.uuid4().hex[:12]}"
        self.registry = Registry(MlflowSettings(tracking_uri=mlflow_url, name=self.name))
        self.environment = {
            "MLOPS_MLFLOW__TRACKING_URI": mlflow_url,
            "MLOPS_MLFLOW__NAME": self.name,
            "MLOPS_PREDICTOR__REQUIRE_RECORD": "false",  # the tests move aliases themselves
        }
        if artifact_location:
            with self.registry.client() as client:
                client.create_experiment(self.name, artifact_location.as_uri())

    def register(
        self, source: Bundle, *aliases: str, tag: str | None = None, **changes: Any
    ) -> str:
        """Register a bundle, give it aliases, and return the number of its version.

        Args:
            source: The bundle.
            aliases: Aliases of the new version.
            tag: Value of the manifest's hash tag, if it is to be wrong.
            changes: Other values of fields of the manifest.
        """
        return register_bundle(self.registry, source, *aliases, manifest_sha256=tag, **changes)
