"""A real MLflow server, and in it registered versions of small models that were really trained."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.context import open_context
from pipeline.settings import Settings
from pipeline.stages import features, ingest, preprocess
from tests.deployment.models import World
from tests.serving.conftest import PROXIED, mlflow_server


@pytest.fixture(scope="session")
def mlflow_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An MLflow server of one worker on SQLite, artifacts proxied, as in the cluster."""
    with mlflow_server(tmp_path_factory.mktemp("mlflow"), PROXIED) as url:
        yield url


@pytest.fixture(scope="session")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake that holds the gold splits of 4,000 generated rows, of run `gold-1`."""
    folder = tmp_path_factory.mktemp("survey")
    lake = {"url": f"file://{folder}"}
    context = open_context(
        Settings.model_validate({"lake": lake, "ingest": {"source": "sample:4000"}}), "gold-1"
    )
    for stage in (ingest, preprocess, features):
        stage.run(context)
    return folder


@pytest.fixture
def world(request: pytest.FixtureRequest, survey: Path, tmp_path: Path) -> World:
    """An empty registry of its own on the server, and a copy of the lake.

    A test that is killed at every write makes hundreds of requests: it takes the same store without the server.
    """
    killed = "killed" in request.function.__name__
    mlflow = (
        request.getfixturevalue("mlflow_file")
        if killed
        else {"tracking_uri": request.getfixturevalue("mlflow_url")}
    )
    return World(mlflow, f"model-{uuid.uuid4().hex[:12]}", survey, tmp_path / "lake")
