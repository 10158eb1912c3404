"""A candidate that fails a gate, or data that breaks the contract, changes nothing."""

from __future__ import annotations

from typing import Any

import httpx

from pipeline.tracking.registry import PRODUCTION
from tests.cluster.airflow_api import stamp
from tests.cluster.platform import STUDENT, Platform, model_of, noise


def test_a_failed_gate_leaves_production_as_it_is(
    platform: Platform, first: dict[str, Any]
) -> None:
    """Trained on noise, the run ends well with `register` skipped and its reason in the log; the production model serves on."""
    airflow, registry = platform.airflow, platform.registry
    before, served = registry.get_by_alias(PRODUCTION), model_of(platform.predictor)["version"]
    versions = len(registry.list_versions())
    run_id = f"noise-{stamp()}"
    airflow.trigger("training", run_id, source=platform.put("noise.csv", noise(seed=5)))
    assert airflow.wait("training", run_id)["state"] == "success"

    states = airflow.states("training", run_id)
    assert states.pop("register") == "skipped"
    assert set(states.values()) == {"success"}
    assert "min_roc_auc is" in airflow.log("training", run_id, "register")
    assert len(registry.list_versions()) == versions
    assert registry.get_by_alias(PRODUCTION) == before
    answer = httpx.post(f"{platform.predictor}/predict", json=STUDENT, timeout=10)
    assert answer.json()["model"]["version"] == served


def test_data_that_breaks_the_contract_is_not_tried_again(
    platform: Platform, first: dict[str, Any]
) -> None:
    """A file with other columns fails `ingest` at its first try, with the reason, and nothing after it runs."""
    airflow, served = platform.airflow, model_of(platform.predictor)["version"]
    run_id = f"broken-{stamp()}"
    airflow.trigger(
        "training", run_id, source=platform.put("broken.csv", b"name,grade\nAda,1\nBen,2\n")
    )
    assert airflow.wait("training", run_id)["state"] == "failed"

    tasks = airflow.tasks("training", run_id)
    ingest = tasks.pop("ingest")
    assert (ingest["state"], ingest["try_number"]) == ("failed", 1)
    assert {task["state"] for task in tasks.values()} == {"upstream_failed"}
    assert "its header is 'name', 'grade'" in airflow.log("training", run_id, "ingest")
    assert model_of(platform.predictor)["version"] == served
