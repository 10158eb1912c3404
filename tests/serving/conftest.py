"""A predictor that serves a forest, and a registered model."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.support.forest import make_bundle
from tests.support.mlflow_server import RegisteredModel
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


@pytest.fixture
def registered(mlflow_url: str) -> RegisteredModel:
    """A registered model of the test's own."""
    return RegisteredModel(mlflow_url)
