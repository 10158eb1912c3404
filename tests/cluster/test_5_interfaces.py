"""The platform's web pages in headless Chromium, and the release's Helm tests."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page

from k8s.airflow import DagRun
from k8s.release import RELEASE
from pipeline.stages import DAGS, get_dag_stages
from pipeline.storage.layout import LAYERS
from pipeline.tracking.login import PASSWORD, USERNAME
from pipeline.tracking.registry import PRODUCTION
from tests.cluster.platform import FIRST, Platform
from tests.support import platform_pages
from tests.support.browser import chromium


@pytest.fixture
def page() -> Iterator[Page]:
    with chromium() as browser:
        yield platform_pages.new_page(browser)


def test_the_releases_own_tests(platform: Platform, first: DagRun) -> None:
    """`helm test` passes: every part answers a pod in the cluster."""
    assert "Succeeded" in platform.cluster.helm("test", RELEASE)


def test_airflow_shows_the_dags_and_a_green_run(
    platform: Platform, first: DagRun, page: Page
) -> None:
    """After the login: every DAG, and the first run with each of its stages."""
    airflow = platform.airflow
    platform_pages.log_into_airflow(page, airflow.url, airflow.user, airflow.password)
    platform_pages.open_airflow_dags(page, airflow.url, DAGS)
    platform_pages.open_airflow_run(page, airflow.url, "training", FIRST)
    for stage in get_dag_stages("training"):
        page.get_by_text(stage.name, exact=True).first.wait_for()


def test_mlflow_shows_the_model_and_its_aliases(
    platform: Platform, first: DagRun, page: Page
) -> None:
    """The registered model's page lists its versions and which is in production."""
    settings = platform.registry.settings
    login = platform.cluster.read_secret(f"{RELEASE}-mlflow-reader")
    platform_pages.log_into_mlflow(page, login[USERNAME], login[PASSWORD])
    platform_pages.open_mlflow_model(page, settings.tracking_uri, settings.model_name, PRODUCTION)
    page.get_by_text(settings.model_name).first.wait_for()


def test_minio_shows_the_buckets(platform: Platform, first: DagRun, page: Page) -> None:
    """After the login with the release's keys, the console lists a bucket for each layer."""
    keys = platform.cluster.read_secret(f"{RELEASE}-objectstore")
    url = platform.cluster.forward(f"{RELEASE}-minio", "console").url
    login = (keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"])
    platform_pages.open_minio_buckets(page, url, *login, LAYERS[0])
    for layer in LAYERS:
        page.get_by_text(layer, exact=True).first.wait_for()


def test_the_predictors_pages(platform: Platform, first: DagRun, page: Page) -> None:
    """/docs lists the API, and the page for teachers makes a prediction."""
    url = platform.cluster.forward(f"{RELEASE}-predictor", "http").url
    platform_pages.open_predictor_docs(page, url)
    platform_pages.open_predictor(page, url)
    assert httpx.get(f"{url}/openapi.json", timeout=10).json()["paths"]["/predict"]


def test_the_predictor_shows_its_reports(platform: Platform, first: DagRun) -> None:
    """It reads the served version's card and gates from the object store."""
    for address in ("card", "gates"):
        url = f"{platform.predictor}/reports/{address}"
        response = httpx.get(url, follow_redirects=True, timeout=30)
        assert response.status_code == httpx.codes.OK, response.text
