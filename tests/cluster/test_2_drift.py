"""Traffic that differs from the training data leads, through assets, to a new production model."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import httpx
import pytest

from k8s.airflow import DagRun, parse_time
from pipeline.commands.traffic import sample_production_rows, send, wait_until_logged
from pipeline.drift.simulation import apply_drift
from pipeline.storage.lake import Lake
from pipeline.storage.layout import RETRAINING_REQUESTS
from pipeline.tracking.login import PASSWORD, USERNAME
from pipeline.tracking.registry import PRODUCTION
from tests.cluster.airflow_runs import make_run_id, wait_for_asset_run, wait_for_run
from tests.cluster.cluster import wait_for
from tests.cluster.platform import Platform, get_model, make_term
from tests.support.lake import read_json

ROWS = 3000


@pytest.fixture(scope="module")
def drift(platform: Platform, first: DagRun) -> DagRun:
    """A run of the drift check over drifted traffic, after a new term's file was uploaded."""
    lake = platform.lake
    for key in lake.keys(RETRAINING_REQUESTS):  # an earlier session's request starts a cooldown
        lake.delete(key)
    platform.put(platform.inbox_name, make_term(11, "sleep_hours", 3, 4))
    since = datetime.now(UTC)
    rows = sample_production_rows(platform.context, ROWS, seed=3)
    sent = send(platform.predictor, apply_drift(rows, "all", seed=4))
    assert sent.scored == ROWS, sent.first_error
    wait_until_logged(platform.context, since, ROWS)
    run_id = make_run_id("shifted")
    platform.airflow.trigger("drift", run_id)
    run = wait_for_run(platform.airflow, "drift", run_id)
    states = platform.airflow.get_states("drift", run_id)
    assert states["drift"] == "success", platform.airflow.read_log("drift", run_id, "drift")
    return run


def test_the_production_model_is_kept(platform: Platform, drift: DagRun) -> None:
    """`demote` runs after the check, and finds nothing wrong with the production model."""
    states = platform.airflow.get_states("drift", drift.run_id)
    assert states["demote"] in ("success", "skipped")


def test_report_and_pages_are_in_the_bucket(lake: Lake, drift: DagRun) -> None:
    """The report's verdict is drift; its two pages are stored with it."""
    run_id = f"drift-{drift.run_id}"
    report = read_json(lake, f"reports/{run_id}/drift_report.json")
    assert read_json(lake, "reports/drift_report.json") == report
    assert report["verdict"] == "drift"
    for name in ("drift_report.html", "drift_page.html"):
        page = lake.read(f"reports/{run_id}/{name}")
        assert b"<html" in page[:2000].lower()


def test_the_check_is_a_run_in_mlflow(platform: Platform, drift: DagRun) -> None:
    """The scores of the features are metrics of an MLflow run."""
    experiment = platform.registry.get_or_create_experiment()
    url = f"{platform.registry.settings.tracking_uri}/api/2.0/mlflow/runs/search"
    body = {"experiment_ids": [experiment], "max_results": 200}
    login = (os.environ[USERNAME], os.environ[PASSWORD])
    runs = httpx.post(url, json=body, auth=login, timeout=60).json()["runs"]
    found = [run for run in runs if f"drift-{drift.run_id}" in str(run)]
    assert found
    assert found[0]["data"]["metrics"]


def test_drift_leads_to_a_new_production_model(platform: Platform, drift: DagRun) -> None:
    """The report starts training on the newest file, and the better candidate is deployed."""
    airflow, registry = platform.airflow, platform.registry
    training = wait_for_asset_run(airflow, "training", drift.started_at)
    (event,) = airflow.list_upstream_events("training", training.run_id)
    assert (event["source_dag_id"], event["source_run_id"]) == ("drift", drift.run_id)
    assert set(airflow.get_states("training", training.run_id).values()) == {"success"}

    deployment = wait_for_asset_run(airflow, "deployment", training.started_at)
    states = airflow.get_states("deployment", deployment.run_id)
    assert deployment.state == "success", states
    (event,) = airflow.list_upstream_events("deployment", deployment.run_id)
    assert (event["source_dag_id"], event["source_run_id"]) == ("training", training.run_id)

    production = registry.get_by_alias(PRODUCTION)
    assert production is not None
    created = parse_time(registry.get_bundle(production.run_id).manifest.created)
    assert created is not None and drift.started_at is not None
    assert created > drift.started_at
    wait_for(
        "predictor with the new version",
        lambda: get_model(platform.predictor)["version"] == production.number,
    )
