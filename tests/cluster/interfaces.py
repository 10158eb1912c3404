"""The platform's pages in a browser: each function opens one and returns once it shows what it is for."""

from __future__ import annotations

from playwright.sync_api import Browser, Page

PATIENCE = 120_000  # milliseconds; the pages are large and the machines busy


def new_page(browser: Browser) -> Page:
    """A page that waits long enough."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(PATIENCE)
    return page


def log_into_airflow(page: Page, url: str, user: str, password: str) -> None:
    """Through the form, as a person does."""
    page.goto(url)
    page.fill("input[name=username]", user)
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")
    page.wait_for_url(lambda now: "/auth/login" not in now)


def airflow_dags(page: Page, url: str, names: tuple[str, ...]) -> None:
    """The list of DAGs, once it shows these."""
    page.goto(f"{url}/dags")
    for name in names:
        page.get_by_role("link", name=name, exact=True).first.wait_for()


def airflow_run(page: Page, url: str, dag: str, run_id: str) -> None:
    """A run with its tasks, once it shows how it ended."""
    page.goto(f"{url}/dags/{dag}/runs/{run_id}")
    page.get_by_text("Success", exact=True).first.wait_for()


def mlflow_model(page: Page, url: str, model: str, alias: str) -> None:
    """The registered model's versions, once the alias is shown."""
    page.goto(f"{url}/#/models/{model}")
    page.get_by_text(alias, exact=False).first.wait_for()


def predictor_docs(page: Page, url: str) -> None:
    """The predictor's API page, once it lists /predict."""
    page.goto(f"{url}/docs")
    page.get_by_text("/predict", exact=True).first.wait_for()


def minio_buckets(page: Page, url: str, user: str, password: str, bucket: str) -> None:
    """MinIO's console after the login, once it lists the bucket."""
    page.goto(f"{url}/login")
    page.fill("input[name=accessKey], input#accessKey", user)
    page.fill("input[name=secretKey], input#secretKey", password)
    page.click("button[type=submit]")
    page.get_by_text(bucket, exact=True).first.wait_for()
