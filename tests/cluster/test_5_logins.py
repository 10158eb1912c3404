"""The logins of MLflow and Airflow on the cluster, and the port of the predictor's metrics."""

from __future__ import annotations

from http import HTTPStatus

import httpx
import pytest

from k8s.airflow import DagRun
from k8s.release import RELEASE
from pipeline.tracking.login import PASSWORD, USERNAME
from pipeline.tracking.registry import PRODUCTION
from tests.cluster.platform import Platform

OK, UNAUTHORIZED = HTTPStatus.OK, HTTPStatus.UNAUTHORIZED
FORBIDDEN, NOT_FOUND = HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND
READ_AND_MOVE = {
    None: (UNAUTHORIZED, UNAUTHORIZED),
    "reader": (OK, FORBIDDEN),
    "trainer": (OK, FORBIDDEN),
    "deployer": (OK, OK),
}
"""What MLflow responds to each user who reads and moves `production`; None sends no login."""

CONNECT_AND_APPROVE = {
    "viewer": (FORBIDDEN, FORBIDDEN),
    "operator": (FORBIDDEN, FORBIDDEN),
    "approver": (FORBIDDEN, NOT_FOUND),
    "admin": (OK, NOT_FOUND),
}
"""What Airflow responds to each user who lists the connections, and who answers the approval of a
run that does not exist."""


@pytest.mark.parametrize("user", READ_AND_MOVE)
def test_who_moves_production(platform: Platform, first: DagRun, user: str | None) -> None:
    """The alias is moved to where it is, so that nothing changes if it is allowed."""
    registry = platform.registry
    version = registry.get_by_alias(PRODUCTION)
    assert version is not None
    login = platform.cluster.read_secret(f"{RELEASE}-mlflow-{user}") if user else {}
    auth = (login[USERNAME], login[PASSWORD]) if user else None
    url = f"{registry.settings.tracking_uri}/api/2.0/mlflow/registered-models/alias"
    alias = {"name": registry.name, "alias": PRODUCTION}
    read = httpx.get(url, params=alias, auth=auth, timeout=60)
    moved = httpx.post(url, json={**alias, "version": version.number}, auth=auth, timeout=60)
    assert (read.status_code, moved.status_code) == READ_AND_MOVE[user]


@pytest.mark.parametrize("user", CONNECT_AND_APPROVE)
def test_who_approves(platform: Platform, user: str) -> None:
    """The password in the Secret logs the user in, and only approvers answer approvals."""
    password = platform.cluster.read_secret(f"{RELEASE}-airflow")[f"{user}-password"]
    with httpx.Client(base_url=platform.airflow.url, timeout=60) as client:
        login = client.post("/auth/token", json={"username": user, "password": password})
        client.headers["Authorization"] = f"Bearer {login.json()['access_token']}"
        connections = client.get("/api/v2/connections")
        answer = client.patch(
            "/api/v2/dags/deployment/dagRuns/none/taskInstances/approve/-1/hitlDetails",
            json={"chosen_options": ["Approve"], "params_input": {}},
        )
    assert (connections.status_code, answer.status_code) == CONNECT_AND_APPROVE[user]


def test_the_metrics_have_their_own_port(platform: Platform, first: DagRun) -> None:
    """The Service for callers has no metrics, and that of the pods has them on their port."""
    assert httpx.get(f"{platform.predictor}/metrics", timeout=60).status_code == 404
    url = platform.cluster.forward(f"{RELEASE}-predictor-pods", "metrics").url
    assert "predictor_ready 1.0" in httpx.get(f"{url}/metrics", timeout=60).text
