"""The predictor scales with its load, and its pods and nodes are replaced; no request fails."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from k8s.airflow import DagRun
from tests.cluster.cluster import Cluster, wait_for
from tests.cluster.platform import STUDENT, Platform, get_model
from tests.cluster.traffic import steady_traffic

pytestmark = pytest.mark.full

MAX_TRAFFIC_SECONDS = 1500.0
ROWS = 40
"""Rows per request under load: most of the work is then the predictor's, not the generator's."""
DEPLOYMENT = "deployment/student-mlops-predictor"


def count_ready_replicas(cluster: Cluster) -> int:
    """The number of predictor pods that are ready."""
    (found,) = cluster.get("deployments", "-l", "app.kubernetes.io/component=predictor")["items"]
    return int(found["status"].get("readyReplicas", 0))


def test_the_predictor_scales_with_its_load(
    platform: Platform, first: DagRun, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under load the HPA scales to at least three pods, then back; every request is answered."""
    cluster = platform.cluster
    (hpa,) = cluster.get("hpa")["items"]
    minimum = int(hpa["spec"]["minReplicas"])
    wait_for("minimum of pods", lambda: count_ready_replicas(cluster) == minimum)
    rows = [STUDENT | {"age": 20 + number} for number in range(ROWS)]

    def count_grown() -> int | None:
        count = count_ready_replicas(cluster)
        return count if count >= max(3, minimum + 1) else None

    traffic = {"rate": 100, "seconds": MAX_TRAFFIC_SECONDS}
    with steady_traffic(platform.predictor, rows, **traffic) as loaded:
        grown = wait_for("three pods", count_grown, timeout_seconds=MAX_TRAFFIC_SECONDS)
    with steady_traffic(platform.predictor, STUDENT, rate=5, seconds=MAX_TRAFFIC_SECONDS) as quiet:
        wait_for(
            "minimum of pods",
            lambda: count_ready_replicas(cluster) == minimum,
            timeout_seconds=MAX_TRAFFIC_SECONDS,
        )
    with capsys.disabled():
        print(f"\nload: {minimum} -> {grown} -> {minimum} pods; {loaded}; then {quiet}")  # noqa: T201
    assert loaded.answered
    assert not loaded.failed, loaded
    assert not quiet.failed, quiet
    assert loaded.inconsistent == quiet.inconsistent == 0


def restart(cluster: Cluster) -> None:
    """A rolling restart, as after a changed setting."""
    cluster.kubectl("rollout", "restart", DEPLOYMENT)


def delete_a_pod(cluster: Cluster) -> None:
    """A pod is deleted, as when a node is maintained."""
    name = cluster.list_pods("predictor")[0]["metadata"]["name"]
    cluster.kubectl("delete", "pod", name, "--wait", timeout_seconds=600)


def list_predictor_nodes(cluster: Cluster) -> set[str]:
    """The nodes that have a predictor pod, or are about to get one."""
    return {pod["spec"].get("nodeName", "") for pod in cluster.list_pods("predictor")}


def drain_a_node(cluster: Cluster) -> None:
    """A node with the predictor is drained, as before its maintenance.

    It is the node without MinIO, whose volume cannot move: a new predictor would find no model
    while MinIO is down.
    """
    (store,) = (pod["spec"]["nodeName"] for pod in cluster.list_pods("minio"))
    names = [item["metadata"]["name"] for item in cluster.get("nodes")["items"]]
    node = next((name for name in names if name != store), None)
    assert node, "the cluster has one node; after `make down`, FULL=1 creates one with two"
    cluster.kubectl("cordon", store)  # so that the predictor's next pod is on the other node
    try:
        delete_a_pod(cluster)
        wait_for("predictor on the node", lambda: node in list_predictor_nodes(cluster))
        cluster.wait_until_rolled_out(DEPLOYMENT)
        cluster.kubectl("uncordon", store)
        options = ("--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=900s")
        cluster.kubectl("drain", node, *options, timeout_seconds=960)
        wait_for("node without a predictor", lambda: node not in list_predictor_nodes(cluster))
    finally:
        cluster.kubectl("uncordon", store, node)


@pytest.mark.parametrize("change", [restart, delete_a_pod, drain_a_node])
def test_no_request_fails_while_pods_are_replaced(
    platform: Platform,
    first: DagRun,
    change: Callable[[Cluster], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Steady requests on kept-alive connections are all answered by the same version."""
    cluster = platform.cluster
    before = set(platform.list_predictor_processes())
    version = get_model(platform.predictor)["version"]
    traffic = {"rate": 50, "seconds": MAX_TRAFFIC_SECONDS}
    with steady_traffic(platform.predictor, STUDENT, **traffic) as result:
        change(cluster)
        cluster.wait_until_rolled_out(DEPLOYMENT)
        answered = result.answered
        wait_for("answers of the new pods", lambda: result.answered > answered + 100)
    cluster.wait_until_rolled_out()
    with capsys.disabled():
        print(f"\n{change.__name__}: {result}")  # noqa: T201
    after = set(platform.list_predictor_processes())
    assert after - before
    assert not (change is restart and after & before)
    assert not result.failed, result
    assert result.inconsistent == 0
    assert result.versions == {version: result.answered}
