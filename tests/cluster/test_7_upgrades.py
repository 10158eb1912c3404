"""An operator changes a value, rolls back and restarts parts of a running platform."""

from __future__ import annotations

import pytest

from k8s.airflow import DagRun
from k8s.release import RELEASE
from pipeline.storage.lake import Lake
from tests.cluster.airflow_runs import make_run_id, wait_for_run
from tests.cluster.cluster import Cluster, wait_for
from tests.cluster.platform import STUDENT, Platform, get_model
from tests.cluster.rotations import read_secrets
from tests.cluster.traffic import steady_traffic

pytestmark = pytest.mark.full

MAX_TRAFFIC_SECONDS = 1500.0
SETTING = "MLOPS_PREDICTOR__POLL_INTERVAL_SECONDS"
RESTARTED = (
    "airflow-scheduler",
    "minio",
    "mlflow",
    "postgresql",
    "airflow-api-server",
    "airflow-dag-processor",
)


def read_settings(cluster: Cluster) -> dict[str, str]:
    settings: dict[str, str] = cluster.get("configmap", f"{RELEASE}-settings")["data"]
    return settings


def test_upgrade_and_rollback_during_traffic(platform: Platform, lake: Lake, first: DagRun) -> None:
    """`helm upgrade` and `helm rollback` fail no request, and keep secrets and data."""
    cluster = platform.cluster
    secrets = read_secrets(cluster)
    # After a restart, as in the tests before this one, the first connection fails: the port-forward
    # still has the old pod.
    bronze = wait_for("MinIO", lambda: lake.keys("bronze/"))
    version = wait_for("model", lambda: get_model(platform.predictor))["version"]
    traffic = {"rate": 20, "seconds": MAX_TRAFFIC_SECONDS}
    with steady_traffic(platform.predictor, STUDENT, **traffic) as result:
        cluster.upgrade("--reuse-values", f"--set=settings.{SETTING}=4")
        cluster.wait_until_rolled_out()
        assert read_settings(cluster)[SETTING] == "4"
        cluster.helm("rollback", RELEASE, "--wait", "--timeout=15m")
        cluster.wait_until_rolled_out()
    assert result.answered
    assert not result.failed, result
    assert result.versions == {version: result.answered}
    assert SETTING not in read_settings(cluster)
    assert read_secrets(cluster) == secrets
    assert wait_for("MinIO", lambda: lake.keys("bronze/")) == bronze


def test_parts_restarted_one_by_one_during_a_run(
    platform: Platform, lake: Lake, first: DagRun
) -> None:
    """Each part is killed once during a training run: the run succeeds, and nothing is lost."""
    cluster, airflow = platform.cluster, platform.airflow
    versions = wait_for("MLflow", platform.registry.list_versions)
    bronze = set(wait_for("MinIO", lambda: lake.keys("bronze/")))
    runs = {run.run_id for run in airflow.list_runs("training")}
    run_id = make_run_id("restarts")
    airflow.trigger("training", run_id, source="sample:4000")
    traffic = {"rate": 10, "seconds": MAX_TRAFFIC_SECONDS}
    with steady_traffic(platform.predictor, STUDENT, **traffic) as result:
        for component in RESTARTED:
            restart(cluster, component)
        ended = wait_for_run(airflow, "training", run_id)
    assert ended.state == "success", airflow.get_states("training", run_id)
    assert not result.failed, result
    assert runs <= {run.run_id for run in airflow.list_runs("training")}
    assert wait_for("MLflow", platform.registry.list_versions)[: len(versions)] == versions
    assert bronze <= set(wait_for("MinIO", lambda: lake.keys("bronze/")))


def restart(cluster: Cluster, component: str) -> None:
    """Delete the component's pod, and wait until the new one is ready."""
    (pod,) = cluster.list_pods(component)
    name = pod["metadata"]["name"]
    cluster.kubectl("delete", "pod", name, "--wait", timeout_seconds=300)

    def is_ready() -> bool:
        conditions = [
            condition["status"]
            for pod in cluster.list_pods(component)
            for condition in pod["status"].get("conditions", [])
            if condition["type"] == "Ready"
        ]
        return conditions == ["True"]

    wait_for(f"ready {component}", is_ready)
