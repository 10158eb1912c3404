"""The machine restarts: `make up` starts the stopped nodes again, with everything on them."""

from __future__ import annotations

import subprocess

import pytest

from k8s.airflow import DagRun
from k8s.cluster import list_nodes
from tests.cluster.cluster import wait_for
from tests.cluster.platform import Platform, get_model, run_up

pytestmark = pytest.mark.full


def run_docker(*arguments: str) -> None:
    subprocess.run(["docker", *arguments], check=True, stdout=subprocess.DEVNULL, timeout=300)


def test_make_up_after_a_restart(platform: Platform, first: DagRun, data: str) -> None:
    """The nodes come back with each other's addresses, and the platform serves the same model.

    Docker gives addresses in the order in which containers start.
    """
    nodes = list_nodes()
    version = get_model(platform.predictor)["version"]
    runs = {run.run_id for run in platform.airflow.list_runs("training")}
    run_docker("stop", *nodes)
    for node in reversed(nodes[1:]):
        run_docker("start", node)
    run_up(data)
    assert get_model(platform.predictor)["version"] == version
    wait_for(
        "Airflow with the same runs",
        lambda: runs == {run.run_id for run in platform.airflow.list_runs("training")},
    )
    platform.cluster.wait_until_rolled_out()
