"""The predictor grows with its load and shrinks again, its pods and nodes come and go, and nothing is dropped on the way."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.cluster import Cluster, wait_for
from tests.cluster.load import steady
from tests.cluster.platform import STUDENT, Platform, model_of

pytestmark = pytest.mark.full

AT_MOST = 900.0  # of load, in seconds
ROWS = 40  # of a request: the work is the predictor's rather than the generator's


def replicas(cluster: Cluster) -> int:
    """Pods of the predictor that take requests."""
    (found,) = cluster.get("deployments", "-l", "app.kubernetes.io/component=predictor")["items"]
    return int(found["status"].get("readyReplicas", 0))


def test_the_predictor_scales_up_and_down_without_a_failed_request(
    platform: Platform, first: dict[str, Any], capsys: Any
) -> None:
    """Under load the HPA goes from its minimum to three pods or more, and back when the load ends; every request is answered."""
    cluster = platform.cluster
    (hpa,) = cluster.get("hpa")["items"]
    least = int(hpa["spec"]["minReplicas"])
    wait_for("the least pods", lambda: replicas(cluster) == least)
    rows = [STUDENT | {"age": 20 + number} for number in range(ROWS)]
    with steady(platform.predictor, rows, rate=100, seconds=AT_MOST) as result:
        grown = wait_for(
            "three pods",
            lambda: (now := replicas(cluster)) >= max(3, least + 1) and now,
            timeout=AT_MOST,
        )
    with steady(platform.predictor, STUDENT, rate=5, seconds=AT_MOST) as quiet:
        wait_for("the least pods again", lambda: replicas(cluster) == least, timeout=AT_MOST)
    with capsys.disabled():
        print(f"\nload: {least} -> {grown} -> {least} pods; {result}; then {quiet}")  # noqa: T201 - the test's product
    assert result.answered
    assert not result.failed, result
    assert not quiet.failed, quiet
    assert result.torn == quiet.torn == 0


def restart(cluster: Cluster) -> None:
    """A rolling restart, as after a changed setting."""
    cluster.kubectl("rollout", "restart", "deployment/student-mlops-predictor")


def delete_a_pod(cluster: Cluster) -> None:
    """What the node's or the cluster's own housekeeping does."""
    cluster.kubectl(
        "delete", "pod", cluster.pods("predictor")[0]["metadata"]["name"], "--wait", timeout=300
    )


def drain_a_node(cluster: Cluster) -> None:
    """A node that has a predictor is emptied, as before its maintenance.

    It is not the node of MinIO, whose volume cannot leave it here: a new predictor would find no model while that is down.
    """
    (store,) = (pod["spec"]["nodeName"] for pod in cluster.pods("minio"))
    node = next(
        item["metadata"]["name"]
        for item in cluster.get("nodes")["items"]
        if item["metadata"]["name"] != store
    )
    cluster.kubectl("cordon", store)  # so that there is a predictor on the other one
    try:
        delete_a_pod(cluster)
        wait_for(
            "one there",
            lambda: node in [pod["spec"]["nodeName"] for pod in cluster.pods("predictor")],
        )
        cluster.kubectl(
            "rollout",
            "status",
            "deployment/student-mlops-predictor",
            "--timeout=600s",
            timeout=AT_MOST,
        )
        cluster.kubectl("uncordon", store)
        options = ("--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=600s")
        cluster.kubectl("drain", node, *options, timeout=900)
        wait_for(
            "none there",
            lambda: node not in [pod["spec"]["nodeName"] for pod in cluster.pods("predictor")],
        )
    finally:
        cluster.kubectl("uncordon", store, node)


@pytest.mark.parametrize("change", [restart, delete_a_pod, drain_a_node])
def test_pods_that_come_and_go_drop_nothing(
    platform: Platform, first: dict[str, Any], change: Any, capsys: Any
) -> None:
    """Steady requests on kept connections are all answered, by the same version, while pods are replaced."""
    cluster = platform.cluster
    if change is drain_a_node and len(cluster.get("nodes")["items"]) < 2:
        pytest.skip("the cluster has one node; `make down`, then FULL=1 makes one with two")
    before, version = set(platform.predictor_processes()), model_of(platform.predictor)["version"]
    with steady(platform.predictor, STUDENT, rate=50, seconds=AT_MOST) as result:
        change(cluster)
        cluster.kubectl(
            "rollout",
            "status",
            "deployment/student-mlops-predictor",
            "--timeout=600s",
            timeout=AT_MOST,
        )
        answered = result.answered
        wait_for("answers from what is there now", lambda: result.answered > answered + 100)
    cluster.settled()
    with capsys.disabled():
        print(f"\n{change.__name__}: {result}")  # noqa: T201 - the test's product
    assert (
        not before & set(platform.predictor_processes())
        if change is restart
        else set(platform.predictor_processes()) - before
    )
    assert not result.failed, result
    assert result.torn == 0
    assert result.versions == {version: result.answered}
