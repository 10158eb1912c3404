"""The platform's web pages: each function opens one and returns once its content is shown."""

from __future__ import annotations

import base64
import re

from playwright.sync_api import Browser, Page

TIMEOUT_MILLISECONDS = 120_000
"""Airflow's and MLflow's pages are large, and the machine may be busy."""


def new_page(browser: Browser) -> Page:
    """A page with a long timeout."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(TIMEOUT_MILLISECONDS)
    return page


def log_into_airflow(page: Page, url: str, user: str, password: str) -> None:
    """Log in with Airflow's form."""
    page.goto(url)
    page.fill("input[name=username]", user)
    page.fill("input[name=password]", password)
    page.press("input[name=password]", "Enter")
    page.wait_for_url(lambda current: "/auth/login" not in current)


def open_airflow_dags(page: Page, url: str, names: tuple[str, ...]) -> None:
    """Open the list of DAGs, and wait for these."""
    page.goto(f"{url}/dags")
    for name in names:
        page.get_by_role("link", name=name, exact=True).first.wait_for()


def open_airflow_run(page: Page, url: str, dag_id: str, run_id: str) -> None:
    """Open a run, and wait for its success to show."""
    page.goto(f"{url}/dags/{dag_id}/runs/{run_id}")
    page.get_by_text("Success", exact=True).first.wait_for()


def log_into_mlflow(page: Page, user: str, password: str) -> None:
    """Send a login with every request, as a browser does after its own form."""
    login = base64.b64encode(f"{user}:{password}".encode()).decode()
    page.set_extra_http_headers({"Authorization": f"Basic {login}"})


def open_mlflow_model(page: Page, url: str, model: str, alias: str) -> None:
    """Open a registered model, and wait for a version with this alias."""
    page.goto(f"{url}/#/models/{model}")
    page.get_by_text(alias, exact=False).first.wait_for()


def open_predictor(page: Page, url: str) -> None:
    """Open the predictor's page, and wait for its first prediction."""
    page.goto(url)
    page.locator("#verdict").filter(has_text=re.compile(r"\S")).wait_for()


def open_predictor_docs(page: Page, url: str) -> None:
    """Open the predictor's API page, and wait for /predict to be listed."""
    page.goto(f"{url}/docs")
    page.get_by_text("/predict", exact=True).first.wait_for()


def open_minio_buckets(page: Page, url: str, user: str, password: str, bucket: str) -> None:
    """Log into MinIO's console, and wait for this bucket to be listed."""
    page.goto(f"{url}/login")
    page.fill("input[name=accessKey], input#accessKey", user)
    page.fill("input[name=secretKey], input#secretKey", password)
    page.click("button[type=submit]")
    page.get_by_text(bucket, exact=True).first.wait_for()
