"""A candidate that passes every gate and fails live is taken back by itself; the documented commands do the same by hand."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import httpx

from pipeline.storage.lake import s3_client
from pipeline.tracking.registry import PRODUCTION
from tests.cluster.airflow_api import stamp
from tests.cluster.cluster import Cluster, wait_for
from tests.cluster.load import steady
from tests.cluster.platform import STUDENT, Platform, model_of, term


def damage(platform: Platform, run_id: str) -> None:
    """Changes one byte of the model's file where MLflow keeps it, as a failing disk would."""
    client: Any = s3_client(platform.store)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket="models")
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    (key,) = [key for key in keys if run_id in key and key.endswith("serving/model.onnx")]
    data = bytearray(client.get_object(Bucket="models", Key=key)["Body"].read())
    data[len(data) // 2] ^= 1
    client.put_object(Bucket="models", Key=key, Body=bytes(data))


def test_a_model_that_fails_live_is_rolled_back(platform: Platform, first: dict[str, Any]) -> None:
    """Its file is damaged once `validate` has passed it: no predictor takes it, `verify` puts the old version back and fails."""
    airflow, registry = platform.airflow, platform.registry
    before = registry.get_by_alias(PRODUCTION)
    assert before is not None
    run_id = f"damaged-{stamp()}"
    began = airflow.trigger(
        "training", run_id, source=platform.put("damaged.csv", term(seed=21, tired=4.2))
    )["queued_at"]
    assert airflow.wait("training", run_id)["state"] == "success"
    assert airflow.states("training", run_id)["register"] == "success", airflow.log(
        "training", run_id, "register"
    )

    def validated() -> dict[str, Any] | None:
        runs = [run for run in airflow.runs("deployment") if run["run_after"] > began]
        return (
            runs[-1]
            if runs
            and airflow.states("deployment", runs[-1]["dag_run_id"])["validate"] == "success"
            else None
        )

    deployment = wait_for("validate to pass the candidate", validated, pause=0.5)
    candidate = registry.list_versions()[-1]
    damage(platform, candidate.run_id)

    ended = airflow.wait("deployment", deployment["dag_run_id"])
    states = airflow.states("deployment", deployment["dag_run_id"])
    assert ended["state"] == "failed"
    assert states == {"validate": "success", "promote": "success", "verify": "failed"}
    first_try = airflow.log(
        "deployment", deployment["dag_run_id"], "verify", 1
    )  # further ones find it done
    assert f"`{PRODUCTION}` is version {before.number} again" in first_try

    now = registry.get_by_alias(PRODUCTION)
    assert now is not None
    assert now.number == before.number
    assert "rejected" in registry.get_version(candidate.number).tags
    assert model_of(platform.predictor)["version"] == before.number
    answer = httpx.post(f"{platform.predictor}/predict", json=STUDENT, timeout=10)
    assert answer.json()["model"]["version"] == before.number


def by_hand(cluster: Cluster, *words: str) -> str:
    """What the page's function prints, in the cluster under test."""
    page = Path("docs/how-to/roll-back.md").read_text()
    function = re.search(r"^by_hand\(\) {.*?^}$", page, re.DOTALL | re.MULTILINE)
    assert function is not None
    script = f'{function[0].replace("kubectl ", " ".join(cluster.command()) + " ")}\nby_hand "$@"'
    ran = subprocess.run(
        ["bash", "-c", script, "bash", *words],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_rollback_and_return_by_hand_during_traffic(
    platform: Platform, first: dict[str, Any]
) -> None:
    """Two of the page's commands take production to another version and back: no request fails, none is answered by two."""
    before = platform.registry.get_by_alias(PRODUCTION)
    assert before is not None
    with steady(platform.predictor, STUDENT, rate=20, seconds=600) as result:
        by_hand(platform.cluster, "rollback", "--reason", "a trial")
        between = platform.registry.get_by_alias(PRODUCTION)
        by_hand(platform.cluster, "rollback", "--to", before.number)
        after = platform.registry.get_by_alias(PRODUCTION)
    assert between is not None and after is not None
    assert between.number != before.number == after.number
    assert result.answered
    assert not result.failed, result
    assert result.torn == 0
    assert set(result.versions) == {before.number, between.number}
    assert "time of one row" in by_hand(platform.cluster, "compare", before.number, between.number)
    history = by_hand(platform.cluster, "history")
    assert "a trial" in history
    assert f"{before.number} -> {between.number}" in history
