"""The pages that people open, in headless Chromium through port-forwards, and the release's own tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page

from pipeline.stages import DAGS, get_dag_stages
from pipeline.storage.layout import LAYERS
from pipeline.tracking.registry import PRODUCTION
from tests.browser import chromium
from tests.cluster import interfaces
from tests.cluster.platform import FIRST, NAME, Platform


@pytest.fixture
def page() -> Iterator[Page]:
    with chromium() as browser:
        yield interfaces.new_page(browser)


def test_the_releases_own_tests(platform: Platform, first: dict[str, Any]) -> None:
    """`helm test` finds every part answering, from a pod in the cluster."""
    assert "Succeeded" in platform.cluster.helm("test", NAME)


def test_airflow_shows_the_dags_and_a_green_run(
    platform: Platform, first: dict[str, Any], page: Page
) -> None:
    """After the login: three DAGs, and the first run with each of its stages."""
    airflow = platform.airflow
    interfaces.log_into_airflow(page, airflow.url, airflow.user, airflow.password)
    interfaces.airflow_dags(page, airflow.url, DAGS)
    interfaces.airflow_run(page, airflow.url, "training", FIRST)
    shown = page.locator("body").inner_text()
    assert all(stage.name in shown for stage in get_dag_stages("training"))


def test_mlflow_shows_the_model_and_its_aliases(
    platform: Platform, first: dict[str, Any], page: Page
) -> None:
    """The registered model's page lists its versions and which is in production."""
    settings = platform.registry.settings
    interfaces.mlflow_model(page, settings.tracking_uri, settings.name, PRODUCTION)
    assert settings.name in page.locator("body").inner_text()


def test_minio_shows_the_buckets(platform: Platform, first: dict[str, Any], page: Page) -> None:
    """After the login with the release's keys, the console lists a bucket for each layer."""
    keys = platform.cluster.secret(f"{NAME}-objectstore")
    url = platform.cluster.forward(f"{NAME}-minio", "console").url
    interfaces.minio_buckets(
        page, url, keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"], LAYERS[0]
    )
    shown = page.locator("body").inner_text()
    assert all(layer in shown for layer in LAYERS)


def test_the_predictors_pages(platform: Platform, first: dict[str, Any], page: Page) -> None:
    """`/docs` lists the API, and the page for teachers makes a prediction."""
    url = platform.cluster.forward(f"{NAME}-predictor", "http").url
    interfaces.predictor_docs(page, url)
    page.goto(url)
    page.wait_for_function("document.querySelector('#verdict')?.innerText.length > 0")
    assert httpx.get(f"{url}/openapi.json", timeout=10).json()["paths"]["/predict"]
