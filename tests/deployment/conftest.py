"""A real MLflow server, and in it registered versions of small models that were really trained."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import features, ingest, preprocess
from pipeline.context import Context
from pipeline.local import free_port
from pipeline.settings import Settings
from tests.deployment.models import World

START_SECONDS = 600  # a bound that pytest's own timeout comes before


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Returns when `url` answers 200; fails with the process's output when it ends or takes too long."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"{url} does not answer:\n{log.read_text(errors='replace')[-3000:]}")


@pytest.fixture(scope="session")
def mlflow_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An MLflow server of one worker on SQLite, artifacts proxied, as in the cluster."""
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
        *("--serve-artifacts", "--artifacts-destination", f"{folder}/artifacts"),
    ]
    # Without its job runner, two processes more, the server starts in half the time.
    environment = os.environ | {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, env=environment)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process, folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="session")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake that holds the gold splits of 4,000 generated rows, of run `gold-1`."""
    folder = tmp_path_factory.mktemp("survey")
    lake = {"url": f"file://{folder}"}
    context = Context(Settings.model_validate({"lake": lake, "ingest": {"source": "sample:4000"}}), "gold-1")
    for stage in (ingest, preprocess, features):
        stage.run(context)
    return folder


@pytest.fixture(scope="session")
def mlflow_file(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Settings of MLflow's own store in a SQLite file, without the server in front of it."""
    folder = tmp_path_factory.mktemp("mlflow-file")
    return {"tracking_uri": f"sqlite:///{folder}/mlflow.db", "artifacts": str(folder / "artifacts")}


@pytest.fixture
def world(request: pytest.FixtureRequest, survey: Path, tmp_path: Path) -> World:
    """An empty registry of its own on the server, and a copy of the lake.

    A test that is killed at every write makes hundreds of requests: it takes the same store without the server.
    """
    killed = "killed" in request.function.__name__
    mlflow = request.getfixturevalue("mlflow_file") if killed else {"tracking_uri": request.getfixturevalue("mlflow_url")}
    return World(mlflow, f"model-{uuid.uuid4().hex[:12]}", survey, tmp_path / "lake")
