"""Takes the pictures of Airflow, MLflow and MinIO in docs/images/: `python -m docs.screenshots_platform`, after `make up`.

The cluster tests open the same pages by the same functions (tests/cluster/interfaces.py).
"""

from __future__ import annotations

from docs.screenshots import IMAGES
from k8s import access
from k8s.airflow import Airflow
from pipeline.settings import MlflowSettings
from pipeline.stages import DAGS
from pipeline.tracking.registry import PRODUCTION
from tests.browser import chromium
from tests.cluster import interfaces

SETTLED = 3000  # milliseconds: pages draw on after they show what a test asks for


def main() -> None:
    urls, login = access.urls(), access.airflow_login()
    newest = next(
        run for run in Airflow(urls["airflow"], *login).runs("training") if run.state == "success"
    )
    with chromium() as browser:
        page = interfaces.new_page(browser)

        def shoot(name: str) -> None:
            page.wait_for_timeout(SETTLED)
            page.screenshot(path=IMAGES / f"{name}.png")

        interfaces.log_into_airflow(page, urls["airflow"], *login)
        interfaces.airflow_dags(page, urls["airflow"], DAGS)
        shoot("airflow-dags")
        interfaces.airflow_run(page, urls["airflow"], newest.dag, newest.id)
        shoot("airflow-run")
        interfaces.mlflow_model(page, urls["mlflow"], MlflowSettings().name, PRODUCTION)
        page.locator("[data-component-id='mlflow.assistant.chat_panel.close']").click()
        shoot("mlflow-model")
        interfaces.minio_buckets(page, urls["console"], *access.object_store_keys(), "bronze")
        page.get_by_role("button", name="Acknowledge").click()  # of the licence, at the first login
        shoot("minio-buckets")


if __name__ == "__main__":
    main()
