"""A predictor that serves a forest, and a registered model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from pipeline.model.bundle import write_fallback
from tests.support.browser import chromium
from tests.support.forest import make_bundle
from tests.support.mlflow_server import RegisteredModel
from tests.support.page import TIMEOUT_MS, Visit, shared_context, visits
from tests.support.predictor import open_disk_lake, serve_bundle


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A predictor that serves `make_bundle()` from the lake."""
    with serve_bundle(tmp_path_factory.mktemp("predictor"), make_bundle()) as served:
        yield served


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a module's predictors, whose lake has `make_bundle()`."""
    made = tmp_path_factory.mktemp("predictor")
    write_fallback(open_disk_lake(made), make_bundle())
    return made


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=30) as made:
        yield made


@pytest.fixture
def registered(mlflow_url: str) -> RegisteredModel:
    """A registered model of the test's own."""
    return RegisteredModel(mlflow_url)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser. It lives as long as a module: its event loop hinders other tests' loops."""
    with chromium() as opened:
        expect.set_options(timeout=TIMEOUT_MS)
        yield opened


@pytest.fixture(scope="module")
def context(browser: Browser, url: str) -> Iterator[BrowserContext]:
    """A browser context that the tests of a module share."""
    with shared_context(browser, url) as made:
        yield made


@pytest.fixture
def visit(browser: Browser, url: str, context: BrowserContext) -> Iterator[Visit]:
    """Opens the predictor's page."""
    with visits(browser, url, context) as opened:
        yield opened
