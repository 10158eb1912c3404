"""The platform on a kind cluster, installed by `python -m k8s up`, which is `make up`.

The suite follows the platform from an empty registry to a promoted model. It refuses to run on a
cluster that already has a model; FRESH=1 first deletes the release and its volumes. FULL=1 runs
the long tests too: load, upgrades, restarts. UP=0 skips `up` and uses the platform as it is.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from k8s.airflow import AirflowClient, DagRun
from k8s.first_run import describe_unread
from k8s.process import ROOT
from k8s.release import RELEASE, SOURCE_SETTING
from pipeline.context import open_context
from pipeline.data.synthetic import generate_csv
from pipeline.settings import Settings
from pipeline.settings.connections import LakeSettings, MlflowSettings
from pipeline.storage.lake import Lake
from pipeline.tracking.registry import PRODUCTION, Registry
from tests.cluster.airflow_runs import wait_for_run
from tests.cluster.cluster import Cluster, wait_for
from tests.cluster.platform import FIRST, INBOX, UP_TIMEOUT_SECONDS, Platform, run_up
from tests.cluster.stage_pods import StagePodRecorder

RECORD = ROOT / "local" / "e2e" / "pods.json"
TEST_TIMEOUT_SECONDS = 3600


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, and deselect the long ones without FULL=1."""
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in here:
        item.add_marker(pytest.mark.cluster)
        item.add_marker(pytest.mark.timeout(UP_TIMEOUT_SECONDS + TEST_TIMEOUT_SECONDS))
    if not os.environ.get("FULL"):
        full = [item for item in here if item.get_closest_marker("full")]
        items[:] = [item for item in items if item not in full]
        config.hook.pytest_deselected(items=full)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Add the state of the namespace to the report of a failed test."""
    report = yield
    if report.failed and call.when in ("setup", "call"):
        report.sections.append(("namespace", Cluster(f"kind-{RELEASE}", RELEASE).describe()))
    return report


def delete_release(cluster: Cluster) -> None:
    """Delete the release, if there is one, with its volumes and secrets."""
    RECORD.unlink(missing_ok=True)
    if RELEASE in cluster.kubectl("get", "namespaces", "-o", "name", check=False):
        cluster.helm("uninstall", RELEASE, "--wait", "--ignore-not-found")
        cluster.kubectl("delete", "pvc,secret", "--all", "--wait", timeout_seconds=300)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The file of the first run, which goes into the inbox: DATA, or generated rows."""
    if "DATA" in os.environ and Path(os.environ["DATA"]).is_file():
        return os.environ["DATA"]
    path = tmp_path_factory.mktemp("data") / "students.csv"
    path.write_bytes(generate_csv(1000, seed=20))
    return str(path)


@pytest.fixture(scope="session")
def cluster(data: str) -> Iterator[Cluster]:
    """The cluster with the release, as `make up` leaves it without the first run."""
    with contextlib.closing(Cluster(f"kind-{RELEASE}", RELEASE)) as cluster:
        if os.environ.get("FRESH"):
            delete_release(cluster)
        if os.environ.get("UP") != "0":
            run_up(data)
        yield cluster


@pytest.fixture(scope="session")
def platform(cluster: Cluster, data: str) -> Iterator[Platform]:
    """The platform, reached as its users reach it: by ports, logins and APIs."""
    keys = cluster.read_secret(f"{RELEASE}-objectstore")
    login = cluster.read_secret(f"{RELEASE}-mlflow-admin")
    os.environ.update(keys | login, AWS_DEFAULT_REGION="us-east-1")
    store = LakeSettings(url="s3://", endpoint=cluster.forward(f"{RELEASE}-minio", "s3").url)
    mlflow = cluster.forward(f"{RELEASE}-mlflow-internal", "http")  # never leads to a login
    tracking = MlflowSettings(tracking_uri=mlflow.url)
    password = cluster.read_secret(f"{RELEASE}-airflow")["admin-password"]
    airflow_url = cluster.forward(f"{RELEASE}-airflow-api-server", "http").url
    context = open_context(Settings(lake=store, mlflow=tracking), "e2e")
    recorder = StagePodRecorder(cluster, RECORD)
    recorder.start()
    with contextlib.closing(AirflowClient(airflow_url, "admin", password)) as airflow:
        platform = Platform(
            cluster, airflow, context.lake, store, Registry(tracking), context, recorder
        )
        if os.environ.get("UP") == "0":  # `up` uploads the file otherwise
            if platform.source is None:
                source = f"settings.{SOURCE_SETTING}={INBOX}/students.csv"
                cluster.upgrade("--reuse-values", "--set", source)
            platform.put(platform.inbox_name, Path(data).read_bytes())
        yield platform
    recorder.stop()


@pytest.fixture(scope="session")
def lake(platform: Platform) -> Lake:
    return platform.lake


@pytest.fixture(scope="session")
def first(platform: Platform) -> DagRun:
    """The first training run, started on a platform without a model, after its promotion.

    Later sessions on the same cluster use the same run.
    """
    airflow, registry = platform.airflow, platform.registry
    if airflow.get_run("training", FIRST) is None:
        if registry.get_by_alias(PRODUCTION) is not None:
            pytest.exit(
                "The cluster already has a model in production. "
                "Run `make down` first, or set FRESH=1 to delete the release.",
                3,
            )
        platform.processes_before_first = platform.list_predictor_processes()
        wait_for("DAGs", lambda: not describe_unread(airflow.list_dag_ids()))
        airflow.trigger("training", FIRST, source=f"{INBOX}/{platform.inbox_name}")
    ended = wait_for_run(airflow, "training", FIRST)
    assert ended.state == "success", airflow.get_states("training", FIRST)
    wait_for("version in production", lambda: registry.get_by_alias(PRODUCTION))
    return ended
