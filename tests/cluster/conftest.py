"""The platform, really running: a kind cluster with the chart installed, brought up by `python -m k8s up` as `make up` does.

The suite shows how the platform comes from nothing to a promoted model, so it begins with an empty registry. On a cluster
that has a model already it stops and says so; with FRESH=1 it takes the release and its volumes away first.
FULL=1 runs the long tests too (load, upgrades, restarts). UP=0 takes the platform as it is, without `up`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from k8s.cluster import CHART, SOURCE
from pipeline.context import open_context
from pipeline.data.synthetic import generate_csv
from pipeline.settings import LakeSettings, MlflowSettings, Settings
from pipeline.storage.lake import Lake
from pipeline.tracking.registry import PRODUCTION, Registry
from tests.cluster.airflow_api import Airflow
from tests.cluster.cluster import Cluster, StagePods, wait_for
from tests.cluster.platform import FIRST, INBOX, NAME, Platform

ROOT = Path(__file__).parents[2]
RECORD = ROOT / "local" / "e2e" / "pods.json"
UP_SECONDS = 3600  # images are built and everything starts from nothing, on two cores


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs the cluster; what a run of the platform takes is not known beforehand."""
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in here:
        item.add_marker(pytest.mark.cluster)
        item.add_marker(pytest.mark.timeout(UP_SECONDS + 3600))
        if item.get_closest_marker("full") and not os.environ.get("FULL"):
            item.add_marker(pytest.mark.skip(reason="takes long; FULL=1 runs it"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """A failed test prints what the namespace looked like at that moment."""
    report = yield
    if report.failed and call.when in ("setup", "call"):
        report.sections.append(("namespace", Cluster(f"kind-{NAME}", NAME).report()))
    return report


def up(data: str) -> None:
    nodes = "2" if os.environ.get("FULL") else "1"  # the long tests drain one
    command = [sys.executable, "-m", "k8s", "up", "--no-training", "--data", data, "--nodes", nodes]
    subprocess.run(command, cwd=ROOT, check=True, timeout=UP_SECONDS)


def begin_anew(cluster: Cluster) -> None:
    """Takes the release away, if there is one, with what it leaves: its volumes and secrets."""
    RECORD.unlink(missing_ok=True)
    if NAME in cluster.kubectl("get", "namespaces", "-o", "name", check=False):
        cluster.helm("uninstall", NAME, "--wait", "--ignore-not-found")
        cluster.kubectl("delete", "pvc,secret", "--all", "--wait", timeout=300)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The file of the first run: DATA, else generated rows; it goes into the lake's inbox, where new terms' files go too."""
    if "DATA" in os.environ and Path(os.environ["DATA"]).is_file():
        return os.environ["DATA"]
    path = tmp_path_factory.mktemp("data") / "students.csv"
    path.write_bytes(generate_csv(1000, seed=20))
    return str(path)


@pytest.fixture(scope="session")
def cluster(data: str) -> Iterator[Cluster]:
    """The cluster with the release in it, as `make up` leaves it but for the first run."""
    made = Cluster(f"kind-{NAME}", NAME)
    if os.environ.get("FRESH"):
        begin_anew(made)
    if os.environ.get("UP") != "0":
        up(data)
    yield made
    made.close()


@pytest.fixture(scope="session")
def platform(cluster: Cluster, data: str) -> Iterator[Platform]:
    """Everything in the cluster that a person can reach, reached as a person would: by ports, logins and APIs."""
    keys = cluster.secret(f"{NAME}-objectstore")
    os.environ.update(keys, AWS_DEFAULT_REGION="us-east-1")
    store = LakeSettings(url="s3://", endpoint=cluster.forward(f"{NAME}-minio", "s3").url)
    tracking = MlflowSettings(tracking_uri=cluster.forward(f"{NAME}-mlflow", "http").url)
    admin = cluster.secret(f"{NAME}-airflow")["admin-password"]
    airflow = Airflow(cluster.forward(f"{NAME}-airflow-api-server", "http").url, "admin", admin)
    watch = StagePods(cluster, RECORD)
    watch.start()
    context = open_context(Settings(lake=store, mlflow=tracking), "e2e")
    platform = Platform(cluster, airflow, context.lake, store, Registry(tracking), context, watch)
    if os.environ.get("UP") == "0":  # else `up` has put it there
        if platform.source is None:
            cluster.helm(
                "upgrade",
                NAME,
                str(CHART),
                "--reuse-values",
                "--set",
                f"settings.{SOURCE}={INBOX}/students.csv",
                "--wait",
            )
        platform.put(platform.inbox, Path(data).read_bytes())
    yield platform
    watch.stop()
    airflow.client.close()


@pytest.fixture(scope="session")
def lake(platform: Platform) -> Lake:
    return platform.lake


@pytest.fixture(scope="session")
def airflow(platform: Platform) -> Airflow:
    return platform.airflow


@pytest.fixture(scope="session")
def first(platform: Platform) -> dict[str, Any]:
    """The first training run, started over Airflow's API on a platform without a model, once the model is in production.

    Later sessions on the same cluster take it as it is.
    """
    airflow, registry = platform.airflow, platform.registry
    if airflow.run("training", FIRST) is None:
        if registry.get_by_alias(PRODUCTION) is not None:
            pytest.exit(
                "the cluster has a model in production already; `make down` first, or FRESH=1 to begin anew in it",
                3,
            )
        platform.before_first = platform.predictor_processes()
        wait_for("Airflow to read the DAGs", lambda: {"training", "deployment"} <= airflow.dags())
        airflow.trigger("training", FIRST, source=f"{INBOX}/{platform.inbox}")
    ended = airflow.wait("training", FIRST)
    assert ended["state"] == "success", airflow.states("training", FIRST)
    wait_for("a version in production", lambda: registry.get_by_alias(PRODUCTION))
    return ended
