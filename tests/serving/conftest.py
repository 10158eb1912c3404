"""A predictor that serves a forest, and a real MLflow server."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.support.forest import make_bundle
from tests.support.mlflow_server import RegisteredModel, mlflow_server
from tests.support.predictor import serve_bundle


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A predictor that serves `make_bundle()` from the lake."""
    with serve_bundle(tmp_path_factory.mktemp("predictor"), make_bundle()) as served:
        yield served


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=30) as made:
        yield made


@pytest.fixture(scope="session")
def mlflow_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An MLflow server that proxies artifacts, as on a cluster."""
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as server:
        yield server


@pytest.fixture
def registered(mlflow_url: str) -> RegisteredModel:
    """A registered model of the test's own."""
    return RegisteredModel(mlflow_url)
