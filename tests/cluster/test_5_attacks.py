"""Attacks by people and pods that may use a part of the platform: each ends in a refusal.

tests/cluster/test_5_identities.py tries the object store with every key, and
tests/serving/test_attacks.py the predictor.
"""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from k8s.airflow import DagRun
from k8s.process import ClusterError
from k8s.release import RELEASE
from tests.cluster.airflow_runs import make_run_id, wait_for_run
from tests.cluster.platform import Platform

pytestmark = pytest.mark.full

NAMES = ("AWS_ACCESS_KEY_ID", "MLFLOW_TRACKING_USERNAME")
"""Keys of Secrets with names of users, which may be in a log."""
MIN_SECRET_LENGTH = 12
"""Shorter values of Secrets may be in a log by chance."""


def list_secrets(platform: Platform) -> set[str]:
    """Return every value in the namespace's Secrets that nobody may read in a log."""
    items: list[dict[str, Any]] = platform.cluster.get("secrets")["items"]
    values = {
        base64.b64decode(value).decode(errors="replace")
        for item in items
        if not item["type"].startswith("helm.sh/")
        for key, value in item.get("data", {}).items()
        if key not in NAMES
    }
    return {value for value in values if len(value) >= MIN_SECRET_LENGTH}


@pytest.mark.parametrize("source", ["/proc/self/environ", "file:///etc/passwd", "../x.csv"])
def test_a_run_cannot_read_a_file_of_its_pod(
    platform: Platform, first: DagRun, source: str
) -> None:
    """Airflow refuses the parameter, and starts no run."""
    run_id = make_run_id("attack")
    with pytest.raises(ClusterError, match=r"with 4\d\d"):
        platform.airflow.trigger("training", run_id, source=source)
    assert platform.airflow.get_run("training", run_id) is None


@pytest.mark.parametrize(
    "source",
    [
        f"http://{RELEASE}-minio:9000/minio/health/live",
        "https://kubernetes.default.svc/version",
        "http://169.254.169.254/latest/meta-data/",
    ],
    ids=["object store", "kubernetes", "metadata"],
)
def test_a_run_cannot_read_a_server_of_the_cluster(
    platform: Platform, first: DagRun, source: str
) -> None:
    """`ingest` fails for good; its log has the reason, and none of the pod's keys."""
    airflow, run_id = platform.airflow, make_run_id("attack")
    before = set(platform.lake.keys("bronze/"))
    airflow.trigger("training", run_id, source=source)
    assert wait_for_run(airflow, "training", run_id).state == "failed"
    task = airflow.get_tasks("training", run_id)["ingest"]
    assert (task.state, task.try_number) == ("failed", 1)
    log = airflow.read_log("training", run_id, "ingest")
    assert "is not a public address" in log
    assert not {value for value in list_secrets(platform) if value in log}
    assert set(platform.lake.keys("bronze/")) == before


@pytest.mark.parametrize(("login", "status"), [(None, 401), ("mlflow-reader", 403)])
def test_only_deployers_can_move_production(
    platform: Platform, first: DagRun, login: str | None, status: int
) -> None:
    """Neither a request without a login nor the predictor's own can set or delete the alias."""
    cluster = platform.cluster
    auth = None
    if login:
        secret = cluster.read_secret(f"{RELEASE}-{login}")
        auth = (secret["MLFLOW_TRACKING_USERNAME"], secret["MLFLOW_TRACKING_PASSWORD"])
    url = (
        f"{cluster.forward(f'{RELEASE}-mlflow', 'http').url}/api/2.0/mlflow/registered-models/alias"
    )
    name = platform.context.settings.mlflow.model_name
    body = {"name": name, "alias": "production", "version": "1"}
    assert httpx.post(url, json=body, auth=auth, timeout=60).status_code == status
    deletion = httpx.request("DELETE", url, json=body, auth=auth, timeout=60)
    assert deletion.status_code == status
