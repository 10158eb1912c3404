"""Take the screenshots of Airflow, MLflow and MinIO in docs/images/.

Run `python -m docs.screenshots_platform` after `make up`. The cluster tests open the same pages
(tests/support/platform_pages.py).
"""

from __future__ import annotations

import contextlib

from docs.screenshots import IMAGES
from k8s import access
from k8s.airflow import AirflowClient
from pipeline.settings.connections import MlflowSettings
from pipeline.stages import DAGS
from pipeline.tracking.registry import PRODUCTION
from tests.support import platform_pages
from tests.support.browser import chromium

SETTLE_MILLISECONDS = 3000
"""Pages continue to draw after the content that the functions wait for."""


def main() -> None:
    urls, login = access.get_urls(), access.get_airflow_login()
    with contextlib.closing(AirflowClient(urls["airflow"], *login)) as airflow:
        newest = next(run for run in airflow.list_runs("training") if run.state == "success")
    with chromium() as browser:
        page = platform_pages.new_page(browser)

        def take_screenshot(name: str) -> None:
            page.wait_for_timeout(SETTLE_MILLISECONDS)
            page.screenshot(path=IMAGES / f"{name}.png")

        platform_pages.log_into_airflow(page, urls["airflow"], *login)
        platform_pages.open_airflow_dags(page, urls["airflow"], DAGS)
        take_screenshot("airflow-dags")
        platform_pages.open_airflow_run(page, urls["airflow"], newest.dag_id, newest.run_id)
        take_screenshot("airflow-run")
        platform_pages.log_into_mlflow(page, *access.get_mlflow_login())
        platform_pages.open_mlflow_model(
            page, urls["mlflow"], MlflowSettings().model_name, PRODUCTION
        )
        page.locator("[data-component-id='mlflow.assistant.chat_panel.close']").click()
        take_screenshot("mlflow-model")
        page.set_extra_http_headers({})
        keys = access.get_object_store_keys()
        platform_pages.open_minio_buckets(page, urls["console"], *keys, "bronze")
        page.get_by_role("button", name="Acknowledge").click()  # the licence, at the first login
        take_screenshot("minio-buckets")


if __name__ == "__main__":
    main()
