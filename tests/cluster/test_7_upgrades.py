"""What operators do to a running platform: change a value, take it back, restart its parts; nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest

from k8s.cluster import CHART
from pipeline.storage.lake import Lake
from tests.cluster.airflow_api import stamp
from tests.cluster.cluster import Cluster, wait_for
from tests.cluster.load import steady
from tests.cluster.platform import NAME, STUDENT, Platform, model_of

pytestmark = pytest.mark.full

AT_MOST = 1200.0
SECRETS = ("airflow", "objectstore", "postgresql")


def test_upgrade_and_rollback_during_traffic(
    platform: Platform, lake: Lake, first: dict[str, Any]
) -> None:
    """A value is changed by `helm upgrade` and taken back by `helm rollback`: no request fails, secrets and data stay."""
    cluster = platform.cluster
    secrets = {name: cluster.secret(f"{NAME}-{name}") for name in SECRETS}
    bronze, model = lake.keys("bronze/"), model_of(platform.predictor)["version"]
    with steady(platform.predictor, STUDENT, rate=20, seconds=AT_MOST) as result:
        changed = (
            "--reuse-values",
            "--set",
            "settings.MLOPS_PREDICTOR__POLL_INTERVAL_SECONDS=4",
            "--wait",
            "--timeout=15m",
        )
        cluster.helm("upgrade", NAME, str(CHART), *changed)
        cluster.settled()
        assert (
            cluster.get("configmap", f"{NAME}-settings")["data"][
                "MLOPS_PREDICTOR__POLL_INTERVAL_SECONDS"
            ]
            == "4"
        )
        cluster.helm("rollback", NAME, "--wait", "--timeout=15m")
        cluster.settled()
    assert result.answered
    assert not result.failed, result
    assert result.versions == {model: result.answered}
    assert (
        "MLOPS_PREDICTOR__POLL_INTERVAL_SECONDS"
        not in cluster.get("configmap", f"{NAME}-settings")["data"]
    )
    assert secrets == {name: cluster.secret(f"{NAME}-{name}") for name in SECRETS}
    assert lake.keys("bronze/") == bronze


def test_parts_restarted_one_by_one_during_a_run(
    platform: Platform, lake: Lake, first: dict[str, Any]
) -> None:
    """Each part is killed once while a training run goes on: the run ends well, and nothing is lost."""
    cluster, airflow = platform.cluster, platform.airflow
    versions, bronze = platform.registry.list_versions(), set(lake.keys("bronze/"))
    runs = {run["dag_run_id"] for run in airflow.runs("training")}
    run_id = f"restarts-{stamp()}"
    airflow.trigger("training", run_id, source="sample:4000")
    with steady(platform.predictor, STUDENT, rate=10, seconds=AT_MOST) as result:
        for component in (
            "airflow-scheduler",
            "minio",
            "mlflow",
            "postgresql",
            "airflow-api-server",
            "airflow-dag-processor",
        ):
            (pod,) = cluster.pods(component)
            cluster.kubectl("delete", "pod", pod["metadata"]["name"], "--wait", timeout=300)
            wait_for(f"{component} to be ready", lambda part=component: ready(cluster, part))  # type: ignore[misc]
        ended = airflow.wait("training", run_id)
    assert ended["state"] == "success", airflow.states("training", run_id)
    assert not result.failed, result
    assert runs <= {run["dag_run_id"] for run in airflow.runs("training")}
    # A port-forward to a pod that is gone is refused once before it goes to the new one.
    assert wait_for("MLflow", platform.registry.list_versions)[: len(versions)] == versions
    assert bronze <= set(wait_for("MinIO", lambda: lake.keys("bronze/")))


def ready(cluster: Cluster, component: str) -> bool:
    pods = cluster.pods(component)
    conditions = [each for pod in pods for each in pod["status"].get("conditions", [])]
    return bool(pods) and [each["status"] for each in conditions if each["type"] == "Ready"] == [
        "True"
    ] * len(pods)
