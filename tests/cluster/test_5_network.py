"""The network policies, if the cluster's network plugin enforces them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from k8s.release import RELEASE
from tests.cluster.cluster import Cluster, wait_for
from tests.cluster.platform import Platform

pytestmark = pytest.mark.full

ISOLATED = "isolated-by-a-test"
TRIES = 10
"""A plugin may need seconds to apply the policies to a new pod."""
CONNECT = f"""
import socket, sys, time
for _ in range({TRIES}):
    try:
        socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3).close()
    except OSError as error:
        print(f"not reached: {{error!r}}")
        sys.exit(3)
    time.sleep(1)
"""
"""Exits with 0 if every one of the connections succeeds, else with 3."""


def make_pod(cluster: Cluster, name: str, labels: dict[str, str], *target: str) -> dict[str, Any]:
    """The pod of a command by hand, which connects to a target instead."""
    text = cluster.get("configmap", f"{RELEASE}-by-hand")["data"]["pod.json"]
    pod: dict[str, Any] = json.loads(text)
    pod["spec"]["restartPolicy"] = "Never"
    pod["spec"]["containers"][0]["command"] = ["python", "-c", CONNECT, *target]
    metadata = {"name": name, "labels": labels or pod["metadata"]["labels"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod["spec"]}


def is_reached(cluster: Cluster, labels: dict[str, str], host: str, port: int) -> bool:
    """Whether a pod reaches a port; without labels, the pod has those of a stage."""
    name = f"connect-{uuid.uuid4().hex[:8]}"
    cluster.create(make_pod(cluster, name, labels, host, str(port)))

    def find_exit_code() -> str | None:
        statuses = cluster.get("pod", name)["status"].get("containerStatuses", [])
        ended = [status["state"].get("terminated") for status in statuses]
        return str(ended[0]["exitCode"]) if ended and ended[0] else None

    try:
        exit_code = wait_for(f"end of {name}", find_exit_code)
        log = cluster.kubectl("logs", name)
    finally:
        cluster.kubectl("delete", "pod", name, "--wait=false")
    assert exit_code in ("0", "3"), log
    return exit_code == "0"


@pytest.fixture
def enforcing(platform: Platform) -> Iterator[Cluster]:
    """The cluster, if a pod without any allowed connection reaches nothing."""
    cluster = platform.cluster
    labels = {"app": ISOLATED}
    spec = {"podSelector": {"matchLabels": labels}, "policyTypes": ["Egress"], "egress": []}
    kind = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"}
    cluster.kubectl("delete", "networkpolicy", ISOLATED, "--ignore-not-found")
    cluster.create({**kind, "metadata": {"name": ISOLATED}, "spec": spec})
    try:
        if is_reached(cluster, labels, get_address(cluster, "minio"), 9000):
            pytest.skip("the cluster's network plugin does not enforce network policies")
        yield cluster
    finally:
        cluster.kubectl("delete", "networkpolicy", ISOLATED)


def get_address(cluster: Cluster, service: str) -> str:
    """The address of a Service, which needs no DNS."""
    return str(cluster.get("service", f"{RELEASE}-{service}")["spec"]["clusterIP"])


def test_a_stage_reaches_the_store_and_not_the_database(enforcing: Cluster) -> None:
    """Its pod connects to MinIO, and its connection to PostgreSQL is refused or times out."""
    assert is_reached(enforcing, {}, get_address(enforcing, "minio"), 9000)
    host = enforcing.get("endpoints", f"{RELEASE}-postgresql")["subsets"][0]["addresses"][0]["ip"]
    assert not is_reached(enforcing, {}, host, 5432)
