"""A candidate that fails a gate, or data that violates the contract, changes nothing."""

from __future__ import annotations

import httpx

from k8s.airflow import DagRun
from pipeline.tracking.registry import PRODUCTION
from tests.cluster.airflow_runs import make_run_id, wait_for_run
from tests.cluster.platform import STUDENT, Platform, get_model, make_noise


def test_a_failed_gate_keeps_the_production_model(platform: Platform, first: DagRun) -> None:
    """A run on noise ends with `register` skipped and the reason in its log."""
    airflow, registry = platform.airflow, platform.registry
    before = registry.get_by_alias(PRODUCTION)
    served = get_model(platform.predictor)["version"]
    versions = len(registry.list_versions())
    run_id = make_run_id("noise")
    airflow.trigger("training", run_id, source=platform.put("noise.csv", make_noise(seed=5)))
    assert wait_for_run(airflow, "training", run_id).state == "success"

    states = airflow.get_states("training", run_id)
    assert states.pop("register") == "skipped"
    assert set(states.values()) == {"success"}
    assert "min_roc_auc is" in airflow.read_log("training", run_id, "register")
    assert len(registry.list_versions()) == versions
    assert registry.get_by_alias(PRODUCTION) == before
    answer = httpx.post(f"{platform.predictor}/predict", json=STUDENT, timeout=10)
    assert answer.json()["model"]["version"] == served


def test_data_that_violates_the_contract_is_not_retried(platform: Platform, first: DagRun) -> None:
    """A file with other columns fails `ingest` on the first try, and nothing runs after it."""
    airflow = platform.airflow
    served = get_model(platform.predictor)["version"]
    run_id = make_run_id("broken")
    source = platform.put("broken.csv", b"name,grade\nAda,1\nBen,2\n")
    airflow.trigger("training", run_id, source=source)
    assert wait_for_run(airflow, "training", run_id).state == "failed"

    tasks = airflow.get_tasks("training", run_id)
    ingest = tasks.pop("ingest")
    assert (ingest.state, ingest.try_number) == ("failed", 1)
    assert {task.state for task in tasks.values()} == {"upstream_failed"}
    assert "Its first line has none of the columns" in airflow.read_log(
        "training", run_id, "ingest"
    )
    assert get_model(platform.predictor)["version"] == served
