"""A predictor process that serves a forest, and real MLflow servers, with versions of forests registered in them."""

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
import pytest

from pipeline.commands.local_servers import find_free_port
from pipeline.model.bundle import ARTIFACT_FOLDER, MANIFEST, Bundle
from pipeline.settings import MlflowSettings
from pipeline.storage.lake import sha256_hex
from pipeline.tracking.registry import MANIFEST_TAG, Registry
from tests.serving.forest import bundle
from tests.serving.predictor import running, wait_until_ready


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A predictor that serves the forest of `bundle()`, from the lake's models/ alone."""
    with running(tmp_path_factory.mktemp("predictor"), bundle()) as served:
        yield served


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=30) as made:
        yield made


PROXIED = ("--serve-artifacts", "--artifacts-destination")
IN_A_FOLDER = ("--no-serve-artifacts", "--default-artifact-root")
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}


@contextlib.contextmanager
def mlflow_server(folder: Path, artifacts: tuple[str, str]) -> Iterator[str]:
    """The URL of an MLflow server of one worker on SQLite; `artifacts` are the options for where it keeps them."""
    port = find_free_port()
    command = [
        *(
            sys.executable,
            "-m",
            "mlflow",
            "server",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--workers",
            "1",
        ),
        *(
            "--backend-store-uri",
            f"sqlite:///{folder}/mlflow.db",
            *artifacts,
            str(folder / "artifacts"),
        ),
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, env=os.environ | QUIET
        )
    try:
        wait_until_ready(f"http://127.0.0.1:{port}/health", process, folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="session")
def mlflow_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that proxies artifacts, as in the cluster."""
    with mlflow_server(tmp_path_factory.mktemp("mlflow"), PROXIED) as url:
        yield url


class Models:
    """A registered model of its own on the server."""

    def __init__(self, mlflow_url: str) -> None:
        self.name = f"model-{uuid.uuid4().hex[:12]}"
        self.registry = Registry(MlflowSettings(tracking_uri=mlflow_url, name=self.name))
        self.settings = {"MLOPS_MLFLOW__TRACKING_URI": mlflow_url, "MLOPS_MLFLOW__NAME": self.name}

    def register(
        self, source: Bundle, *aliases: str, tag: str | None = None, **changes: Any
    ) -> str:
        """Registers a bundle as the stage `register` does, and gives it aliases; returns the version's number.

        `changes` are fields of its manifest, `tag` another hash than the manifest's.
        """
        from mlflow import MlflowClient

        client = MlflowClient(self.registry.settings.tracking_uri)
        run = client.create_run(self.registry.get_or_create_experiment())
        self.registry.log_artifacts(run.info.run_id, source.files, ARTIFACT_FOLDER)
        version = self.registry.register(
            f"{run.info.artifact_uri}/{ARTIFACT_FOLDER}", run.info.run_id, {}
        )
        facts = {"run_id": run.info.run_id, "version": version.number, "name": self.name} | changes
        raw = source.manifest.model_copy(update=facts).to_bytes()
        self.registry.log_artifacts(run.info.run_id, {MANIFEST: raw}, ARTIFACT_FOLDER)
        self.registry.set_tag(version.number, MANIFEST_TAG, tag or sha256_hex(raw))
        for alias in aliases:
            self.registry.set_alias(alias, version.number)
        return version.number


@pytest.fixture
def models(mlflow_url: str) -> Models:
    return Models(mlflow_url)
