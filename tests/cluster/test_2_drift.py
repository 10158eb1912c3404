"""Traffic that no longer looks like the training data leads, by assets alone, to a new model in production."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from pipeline.commands.traffic import drifted, production_rows, send, wait_until_logged
from pipeline.model.bundle import Manifest
from pipeline.storage.lake import Lake
from pipeline.storage.layout import RETRAINING_REQUESTS as RETRAININGS
from pipeline.tracking.registry import PRODUCTION
from tests.cluster.airflow_api import stamp, time_of
from tests.cluster.cluster import wait_for
from tests.cluster.platform import Platform, model_of, term

ROWS = 3000


@pytest.fixture(scope="module")
def drift(platform: Platform, first: dict[str, Any]) -> dict[str, Any]:
    """A run of the drift check over drifted traffic, after the school has put its new term's file in place."""
    lake = platform.lake
    for key in lake.keys(
        f"{RETRAININGS}"
    ):  # an earlier session's request would make this one wait for the cooldown
        lake.delete(key)
    platform.put(platform.inbox, term(seed=11, tired=5.5))
    since = datetime.now(UTC)
    sent = send(
        platform.predictor, drifted(production_rows(platform.context, ROWS, seed=3), "all", seed=4)
    )
    assert sent.answered == ROWS, sent.first_error
    wait_until_logged(platform.context, since, ROWS)
    run_id = f"shifted-{stamp()}"
    platform.airflow.trigger("drift", run_id)
    run = platform.airflow.wait("drift", run_id)
    assert platform.airflow.states("drift", run_id)["drift"] == "success", platform.airflow.log(
        "drift", run_id, "drift"
    )
    return run


def test_the_check_asks_for_retraining(platform: Platform, drift: dict[str, Any]) -> None:
    """`drift` succeeded rather than being skipped, and `demote` finds nothing wrong with the production model."""
    assert platform.airflow.states("drift", drift["dag_run_id"])["demote"] in ("success", "skipped")


def test_report_and_page_are_in_the_bucket(lake: Lake, drift: dict[str, Any]) -> None:
    """The report names the drifted features; Evidently's page lies beside it."""
    run_id = f"drift-{drift['dag_run_id']}"
    report = lake.read_json(f"reports/{run_id}/drift_report.json")
    assert lake.read_json("reports/drift_report.json") == report
    assert report["verdict"] == "drift"
    for name in ("drift_report.html", "drift_page.html"):
        page = lake.read(f"reports/{run_id}/{name}")
        assert b"<html" in page[:2000].lower()


def test_the_check_is_a_run_in_mlflow(platform: Platform, drift: dict[str, Any]) -> None:
    """The scores of the features are metrics of an MLflow run."""
    experiment = platform.registry.get_or_create_experiment()
    url = f"{platform.registry.settings.tracking_uri}/api/2.0/mlflow/runs/search"
    wanted = f"drift-{drift['dag_run_id']}"
    runs = httpx.post(
        url, json={"experiment_ids": [experiment], "max_results": 200}, timeout=60
    ).json()["runs"]
    found = [run for run in runs if wanted in str(run)]
    assert found
    assert found[0]["data"]["metrics"]


def test_drift_led_to_training_and_deployment_by_assets(
    platform: Platform, drift: dict[str, Any]
) -> None:
    """The report starts training on the newest file, its better candidate starts deployment, and the predictor serves it."""
    airflow, registry = platform.airflow, platform.registry
    training = airflow.wait_for_asset_run("training", drift["start_date"])
    (event,) = airflow.events_of("training", training["dag_run_id"])
    assert (event["source_dag_id"], event["source_run_id"]) == ("drift", drift["dag_run_id"])
    assert set(airflow.states("training", training["dag_run_id"]).values()) == {"success"}

    deployment = airflow.wait_for_asset_run("deployment", training["start_date"])
    assert deployment["state"] == "success", airflow.states("deployment", deployment["dag_run_id"])
    (event,) = airflow.events_of("deployment", deployment["dag_run_id"])
    assert (event["source_dag_id"], event["source_run_id"]) == ("training", training["dag_run_id"])

    production = registry.get_by_alias(PRODUCTION)
    assert production is not None
    manifest: Manifest = registry.get_bundle(production.run_id).manifest
    assert time_of(manifest.created) > time_of(drift["start_date"])
    wait_for(
        "every predictor to serve it",
        lambda: model_of(platform.predictor)["version"] == production.number,
    )
