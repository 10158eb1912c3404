"""Two releases live in one cluster; the second has no store and no database of its own, as where a school has them already."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from k8s.cluster import CHART
from pipeline.stages import get_dag_stages
from tests.cluster.airflow_api import Airflow
from tests.cluster.cluster import Cluster, wait_for
from tests.cluster.platform import NAME, STUDENT, Platform, model_of

pytestmark = pytest.mark.full

SECOND = "second"
PARTS = f"{SECOND}-{CHART.name}"
"""What its resources' names begin with."""
SQL = "CREATE USER {name} PASSWORD '{password}'; CREATE DATABASE {name} OWNER {name};"


@pytest.fixture
def second(platform: Platform, first: dict[str, Any], tmp_path: Path) -> Iterator[Cluster]:
    """A release in a namespace of its own, restricted too, on the first one's MinIO and PostgreSQL as outside services."""
    made = Cluster(platform.cluster.context, SECOND)
    wanted = {"apiVersion": "v1", "kind": "Namespace"}
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    namespace = tmp_path / "namespace.json"
    namespace.write_text(json.dumps(wanted | {"metadata": {"name": SECOND, "labels": labels}}))
    made.kubectl("apply", "--filename", str(namespace))
    try:
        install(platform.cluster, made, tmp_path / "values.json")
        yield made
    finally:
        made.close()
        made.kubectl("delete", "namespace", SECOND, "--ignore-not-found", "--wait", timeout=600)
        for kind in ("DATABASE", "USER"):
            for owner in ("airflow2", "mlflow2"):
                force = " WITH (FORCE)" if kind == "DATABASE" else ""
                psql(platform.cluster, f"DROP {kind} IF EXISTS {owner}{force}")


def psql(cluster: Cluster, statements: str) -> None:
    for statement in statements.strip(";").split(";"):
        cluster.kubectl(
            "exec",
            f"{NAME}-postgresql-0",
            "--",
            "psql",
            "--username=postgres",
            f"--command={statement}",
        )


def install(outside: Cluster, second: Cluster, place: Path) -> None:
    """The chart with the first release's images, stages' pods and all, but not its services."""
    passwords = {"airflow2": os.urandom(16).hex(), "mlflow2": os.urandom(16).hex()}
    for owner, password in passwords.items():
        psql(outside, SQL.format(name=owner, password=password))
    keys = [
        f"--from-literal={name}={value}"
        for name, value in outside.secret(f"{NAME}-objectstore").items()
    ]
    second.kubectl("create", "secret", "generic", "store", *keys)
    keys = [
        f"--from-literal={owner[:-1]}-password={password}" for owner, password in passwords.items()
    ]
    second.kubectl("create", "secret", "generic", "database", *keys)
    there = [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": outside.namespace}}}
    ]
    values = {
        "images": json.loads(outside.helm("get", "values", NAME, "--output", "json"))["images"],
        "minio": {"enabled": False},
        "postgresql": {"enabled": False},
        "objectStore": {
            "bucketPrefix": SECOND,
            "existingSecret": "store",
            "external": {"endpoint": f"http://{NAME}-minio.{outside.namespace}:9000"},
        },
        "database": {
            "existingSecret": "database",
            "airflow": {"name": "airflow2", "user": "airflow2"},
            "mlflow": {"name": "mlflow2", "user": "mlflow2"},
            "external": {"host": f"{NAME}-postgresql.{outside.namespace}"},
        },
        "predictor": {"autoscaling": {"enabled": False}, "replicas": 1},
        "dags": {"schedules": {"training": None, "drift": None}},
        "settings": {"MLOPS_INGEST__SOURCE": "sample:1000"},
        "networkPolicy": {"external": {"objectStore": there, "database": there}},
    }
    place.write_text(json.dumps(values))
    second.helm("install", SECOND, str(CHART), "--values", str(place), "--wait", "--timeout=15m")


def test_a_second_release_without_services_of_its_own(platform: Platform, second: Cluster) -> None:
    """It passes `helm test`, trains, promotes and serves; the first release notices nothing, and shares no object with it."""
    served, bronze = model_of(platform.predictor)["version"], platform.lake.keys("bronze/")
    second.helm("test", SECOND)
    admin = second.secret(f"{PARTS}-airflow")["admin-password"]
    airflow = Airflow(second.forward(f"{PARTS}-airflow-api-server", "http").url, "admin", admin)
    wait_for("Airflow to read the DAGs", lambda: {"training", "deployment"} <= airflow.dags())
    airflow.trigger("training", "first")
    ended = airflow.wait("training", "first")
    assert airflow.states("training", "first") == {
        stage.name: "success" for stage in get_dag_stages("training")
    }
    assert airflow.wait_for_asset_run("deployment", ended["start_date"])["state"] == "success"
    url = second.forward(f"{PARTS}-predictor", "http").url
    answer = httpx.post(f"{url}/predict", json=STUDENT, timeout=10)
    assert answer.json()["model"]["version"] == "1"

    assert (
        second.get("statefulsets", "-l", "app.kubernetes.io/component in (minio,postgresql)")[
            "items"
        ]
        == []
    )
    assert model_of(platform.predictor)["version"] == served
    assert platform.lake.keys("bronze/") == bronze
