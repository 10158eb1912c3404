"""A second release in the same cluster uses the first one's MinIO and PostgreSQL."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from k8s.airflow import AirflowClient, DagRun
from k8s.first_run import describe_unread
from k8s.release import CHART, RELEASE
from pipeline.stages import get_dag_stages
from tests.cluster.airflow_runs import wait_for_asset_run, wait_for_run
from tests.cluster.cluster import Cluster, wait_for
from tests.cluster.platform import STUDENT, Platform, get_model

pytestmark = pytest.mark.full

SECOND = "second"
PREFIX = f"{SECOND}-{CHART.name}"
"""The start of its resources' names."""
OWNERS = ("airflow2", "mlflow2")
"""Users of PostgreSQL, each with a database of its name."""


@pytest.fixture
def second(platform: Platform, first: DagRun, tmp_path: Path) -> Iterator[Cluster]:
    """A release in its own namespace, with the first one's services as external ones."""
    outside = platform.cluster
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    metadata = {"name": SECOND, "labels": labels}
    manifest = tmp_path / "namespace.json"
    manifest.write_text(json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}))
    with contextlib.closing(Cluster(outside.context, SECOND)) as second:
        second.kubectl("apply", "--filename", str(manifest))
        try:
            install(outside, second, tmp_path / "values.json")
            yield second
        finally:
            delete = ("delete", "namespace", SECOND, "--ignore-not-found", "--wait")
            second.kubectl(*delete, timeout_seconds=600)
            for owner in OWNERS:
                run_sql(outside, f"DROP DATABASE IF EXISTS {owner} WITH (FORCE)")
                run_sql(outside, f"DROP USER IF EXISTS {owner}")


def run_sql(cluster: Cluster, statement: str) -> None:
    command = ("psql", "--username=postgres", f"--command={statement}")
    cluster.kubectl("exec", f"{RELEASE}-postgresql-0", "--", *command)


def install(outside: Cluster, second: Cluster, path: Path) -> None:
    """Install the chart with the first release's images, without MinIO and PostgreSQL."""
    passwords = {owner: os.urandom(16).hex() for owner in OWNERS}
    for owner, password in passwords.items():
        run_sql(outside, f"CREATE USER {owner} PASSWORD '{password}'")
        run_sql(outside, f"CREATE DATABASE {owner} OWNER {owner}")
    database = {f"{owner[:-1]}-password": password for owner, password in passwords.items()}
    second.create_secret("database", database)
    second.create_secret("store", outside.read_secret(f"{RELEASE}-objectstore"))
    path.write_text(json.dumps(make_values(outside)))
    second.helm("install", SECOND, str(CHART), "--values", str(path), "--wait", "--timeout=15m")


def make_values(outside: Cluster) -> dict[str, Any]:
    """The chart's values for a release with external services."""
    installed = json.loads(outside.helm("get", "values", RELEASE, "--output", "json"))
    namespace = {"matchLabels": {"kubernetes.io/metadata.name": outside.namespace}}
    peers = [{"namespaceSelector": namespace}]
    return {
        "images": installed["images"],
        "minio": {"enabled": False},
        "postgresql": {"enabled": False},
        "objectStore": {
            "bucketPrefix": SECOND,
            "existingSecret": "store",
            "external": {"endpoint": f"http://{RELEASE}-minio.{outside.namespace}:9000"},
        },
        "database": {
            "existingSecret": "database",
            "airflow": {"name": "airflow2", "user": "airflow2"},
            "mlflow": {"name": "mlflow2", "user": "mlflow2"},
            "external": {"host": f"{RELEASE}-postgresql.{outside.namespace}"},
        },
        "predictor": {"autoscaling": {"enabled": False}, "replicas": 1},
        "dags": {"schedules": dict.fromkeys(("training", "drift", "compaction", "scoring"))},
        "settings": {"MLOPS_INGEST__SOURCE": "sample:1000"},
        "networkPolicy": {"external": {"objectStore": peers, "database": peers}},
    }


def test_a_second_release_with_external_services(platform: Platform, second: Cluster) -> None:
    """It passes `helm test`, trains, promotes and serves; the first release is not affected."""
    served, bronze = get_model(platform.predictor)["version"], platform.lake.keys("bronze/")
    second.helm("test", SECOND)
    password = second.read_secret(f"{PREFIX}-airflow")["admin-password"]
    url = second.forward(f"{PREFIX}-airflow-api-server", "http").url
    with contextlib.closing(AirflowClient(url, "admin", password)) as airflow:
        wait_for("DAGs", lambda: not describe_unread(airflow.list_dag_ids()))
        airflow.trigger("training", "first")
        training = wait_for_run(airflow, "training", "first")
        states = airflow.get_states("training", "first")
        assert states == {stage.name: "success" for stage in get_dag_stages("training")}
        deployment = wait_for_asset_run(airflow, "deployment", training.started_at)
        assert deployment.state == "success"
    predictor = second.forward(f"{PREFIX}-predictor", "http").url
    answer = httpx.post(f"{predictor}/predict", json=STUDENT, timeout=10)
    assert answer.json()["model"]["version"] == "1"

    services = "app.kubernetes.io/component in (minio,postgresql)"
    assert second.get("statefulsets", "-l", services)["items"] == []
    assert get_model(platform.predictor)["version"] == served
    assert platform.lake.keys("bronze/") == bronze
