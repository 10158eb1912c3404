"""A model that fails live is rolled back; the documented commands do the same by hand."""

from __future__ import annotations

from typing import Any

import httpx

from k8s.airflow import DagRun
from pipeline.storage.s3 import s3_client
from pipeline.tracking.registry import PRODUCTION
from tests.cluster.airflow_runs import make_run_id, wait_for_run
from tests.cluster.by_hand import run_by_hand
from tests.cluster.cluster import wait_for
from tests.cluster.platform import STUDENT, Platform, get_model, make_term
from tests.cluster.traffic import steady_traffic


def damage_model(platform: Platform, run_id: str) -> None:
    """Change one byte of the model's file in MLflow's artifacts, as a failing disk would."""
    client: Any = s3_client(platform.store)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket="models")
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    (key,) = [key for key in keys if run_id in key and key.endswith("serving/model.onnx")]
    data = bytearray(client.get_object(Bucket="models", Key=key)["Body"].read())
    data[len(data) // 2] ^= 1
    client.put_object(Bucket="models", Key=key, Body=bytes(data))


def test_a_model_that_fails_live_is_rolled_back(platform: Platform, first: DagRun) -> None:
    """A model damaged after `validate` is never served; `verify` rolls back and fails."""
    airflow, registry = platform.airflow, platform.registry
    before = registry.get_by_alias(PRODUCTION)
    assert before is not None
    run_id = make_run_id("damaged")
    source = platform.put("damaged.csv", make_term(21, "review_hours", 5, 6))
    training = airflow.trigger("training", run_id, source=source)
    assert wait_for_run(airflow, "training", run_id).state == "success"
    states = airflow.get_states("training", run_id)
    assert states["register"] == "success", airflow.read_log("training", run_id, "register")

    def find_validated() -> DagRun | None:
        runs = airflow.list_runs("deployment")
        newer = [run for run in runs if run.run_after > training.run_after]
        if newer and airflow.get_states("deployment", newer[-1].run_id)["validate"] == "success":
            return newer[-1]
        return None

    deployment = wait_for("validated candidate", find_validated, interval_seconds=0.5)
    candidate = registry.list_versions()[-1]
    damage_model(platform, candidate.run_id)

    assert wait_for_run(airflow, "deployment", deployment.run_id).state == "failed"
    states = airflow.get_states("deployment", deployment.run_id)
    assert states == {"validate": "success", "promote": "success", "verify": "failed"}
    log = airflow.read_log("deployment", deployment.run_id, "verify", 1)  # later tries do nothing
    assert f"`{PRODUCTION}` is version {before.number} again" in log

    now = registry.get_by_alias(PRODUCTION)
    assert now is not None
    assert now.number == before.number
    assert "rejected" in registry.get_version(candidate.number).tags
    assert get_model(platform.predictor)["version"] == before.number
    answer = httpx.post(f"{platform.predictor}/predict", json=STUDENT, timeout=10)
    assert answer.json()["model"]["version"] == before.number


def test_rollback_and_return_by_hand_during_traffic(platform: Platform, first: DagRun) -> None:
    """Two commands of the guide change the production version and back; no request fails."""
    cluster, registry = platform.cluster, platform.registry
    before = registry.get_by_alias(PRODUCTION)
    assert before is not None
    with steady_traffic(platform.predictor, STUDENT, rate=20, seconds=600) as result:
        run_by_hand(cluster, "rollback", "--reason", "a trial")
        between = registry.get_by_alias(PRODUCTION)
        run_by_hand(cluster, "rollback", "--to", before.number)
        after = registry.get_by_alias(PRODUCTION)
    assert between is not None and after is not None
    assert between.number != before.number == after.number
    assert result.answered
    assert not result.failed, result
    assert result.inconsistent == 0
    assert set(result.versions) == {before.number, between.number}
    assert "latency of one row" in run_by_hand(cluster, "compare", before.number, between.number)
    history = run_by_hand(cluster, "history")
    assert "a trial" in history
    assert f"{before.number} -> {between.number}" in history
