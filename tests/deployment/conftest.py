"""Deployment environments: a lake with gold data, and a registry of its own for each test."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.context import open_context
from pipeline.settings import Settings
from pipeline.stages import features, ingest, preprocess
from tests.deployment.models import World
from tests.support.mlflow_server import mlflow_server


@pytest.fixture(scope="session")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with the gold splits of 4,000 generated rows, of the run `gold-1`."""
    folder = tmp_path_factory.mktemp("survey")
    settings = {"lake": {"url": f"file://{folder}"}, "ingest": {"source": "sample:4000"}}
    context = open_context(Settings.model_validate(settings), "gold-1")
    for stage in (ingest, preprocess, features):
        stage.run(context)
    return folder


@pytest.fixture
def world(mlflow_file: dict[str, str], survey: Path, tmp_path: Path) -> World:
    """An environment on MLflow's own store, without a server in front of it."""
    return World(mlflow_file, f"model-{uuid.uuid4().hex[:12]}", survey, tmp_path / "lake")


@pytest.fixture(scope="session")
def mlflow_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An MLflow server that proxies artifacts, as on the cluster."""
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as url:
        yield url


@pytest.fixture
def server_world(mlflow_url: str, survey: Path, tmp_path: Path) -> World:
    """An environment on an MLflow server, which is slower."""
    mlflow = {"tracking_uri": mlflow_url}
    return World(mlflow, f"model-{uuid.uuid4().hex[:12]}", survey, tmp_path / "lake")
