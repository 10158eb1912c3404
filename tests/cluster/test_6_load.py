"""The predictor grows with its load and shrinks again, and drops nothing on the way."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.cluster import Cluster, wait_for
from tests.cluster.load import steady
from tests.cluster.platform import STUDENT, Platform

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
        grown = wait_for("three pods", lambda: (now := replicas(cluster)) >= max(3, least + 1) and now, timeout=AT_MOST)
    with steady(platform.predictor, STUDENT, rate=5, seconds=AT_MOST) as quiet:
        wait_for("the least pods again", lambda: replicas(cluster) == least, timeout=AT_MOST)
    with capsys.disabled():
        print(f"\nload: {least} -> {grown} -> {least} pods; {result}; then {quiet}")  # noqa: T201 - the test's product
    assert result.answered
    assert not result.failed, result
    assert not quiet.failed, quiet
    assert result.torn == quiet.torn == 0
