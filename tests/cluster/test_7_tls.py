"""An operator encrypts the connections inside the cluster, and takes it back."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from k8s.airflow import AirflowClient, DagRun
from k8s.release import RELEASE, SOURCE_SETTING
from tests.cluster.airflow_runs import make_run_id, wait_for_run
from tests.cluster.cluster import Cluster, wait_for
from tests.cluster.platform import STUDENT, Platform
from tests.cluster.rotations import find_rotation, read_secrets, run_rotation
from tests.cluster.started_stages import start_stage
from tests.cluster.traffic import steady_traffic

pytestmark = pytest.mark.full

SERVERS = {
    "minio": ("s3", "/minio/health/live"),
    "mlflow": ("http", "/health"),
    "airflow-api-server": ("http", "/api/v2/version"),
    "predictor": ("http", "/healthz"),
}
"""Service -> the name of its port, and a path that needs no login."""
CERTIFICATES = (
    "minio-tls",
    "postgresql-tls",
    "mlflow-tls",
    "airflow-tls",
    "predictor-tls",
    "dask",
)
ROTATED = ("mlflow-tls", "predictor-tls", "dask")
MAX_TRAFFIC_SECONDS = 900.0
CONNECT_WITHOUT_TLS = f"""
import os, psycopg2
os.environ["PGSSLMODE"] = "disable"
psycopg2.connect(host="{RELEASE}-postgresql", user="mlflow", dbname="mlflow")
"""


@pytest.fixture(scope="module")
def encrypted(platform: Platform, first: DagRun) -> Iterator[Cluster]:
    """The platform with tls.internal and a worker, which are switched off again afterwards."""
    cluster = platform.cluster
    workers = ("--set=dask.enabled=true", "--set=dask.workers.replicas=1")
    cluster.upgrade("--reuse-values", "--set=tls.internal.enabled=true", *workers)
    try:
        cluster.wait_until_rolled_out()
        yield cluster
    finally:
        off = ("--set=tls.internal.enabled=false", "--set=dask.enabled=false")
        cluster.upgrade("--reuse-values", *off)
        platform.wait_for_new_pods()
        cluster.helm("test", RELEASE)


@pytest.fixture
def authority(encrypted: Cluster, tmp_path: Path) -> Path:
    """The chart's certificate authority."""
    path = tmp_path / "ca.crt"
    path.write_text(encrypted.get("configmap", f"{RELEASE}-ca")["data"]["ca.crt"])
    return path


def test_every_server_has_a_trusted_certificate(encrypted: Cluster, authority: Path) -> None:
    """Its web interfaces answer HTTPS, and no plain request."""
    trusted = ssl.create_default_context(cafile=authority)
    for service, (port, path) in SERVERS.items():
        address = encrypted.forward(f"{RELEASE}-{service}", port).url.removeprefix("http://")

        def get(url: str) -> httpx.Response:
            return httpx.get(url, verify=trusted, timeout=30)

        response = wait_for(service, lambda: get(f"https://{address}{path}"))  # noqa: B023 - called here
        assert response.status_code == httpx.codes.OK, service
        with contextlib.suppress(httpx.TransportError):
            assert not get(f"http://{address}{path}").is_success, service


def test_certificates_are_rotated_during_traffic(
    platform: Platform, encrypted: Cluster, authority: Path
) -> None:
    """The guide's command replaces those that it names and no others, and fails no request.

    The authority is the same for the servers of `tls.internal`, and a new one for Dask.
    """
    before = read_secrets(encrypted, CERTIFICATES)
    url = platform.predictor.replace("http", "https", 1)
    traffic = {"rate": 10, "seconds": MAX_TRAFFIC_SECONDS}
    tls = ssl.create_default_context(cafile=authority)
    command = f"{find_rotation('mlflow-tls')} {RELEASE}-predictor-tls {RELEASE}-dask"
    assert find_rotation("dask") == f"rotate_certificate {RELEASE}-dask"
    with steady_traffic(url, STUDENT, "", tls, **traffic) as result:
        run_rotation(encrypted, command)
        encrypted.wait_until_rolled_out()
    assert result.answered
    assert not result.failed, result
    after = read_secrets(encrypted, CERTIFICATES)
    assert {name for name in CERTIFICATES if before[name] != after[name]} == set(ROTATED)
    for name in ROTATED:
        is_same_authority = before[name]["ca.crt"] == after[name]["ca.crt"]
        assert is_same_authority == (name != "dask"), name


def test_a_new_authority_replaces_the_certificates_of_all_servers(encrypted: Cluster) -> None:
    """The tests below find out whether every pod trusts it."""
    before = read_secrets(encrypted, CERTIFICATES)
    run_rotation(encrypted, find_rotation("ca"))
    encrypted.wait_until_rolled_out()
    after = read_secrets(encrypted, CERTIFICATES)
    kept = {name for name in CERTIFICATES if before[name]["tls.crt"] == after[name]["tls.crt"]}
    assert kept == {"dask"}
    assert {after[name]["ca.crt"] for name in CERTIFICATES if name != "dask"} == {
        encrypted.read_secret(f"{RELEASE}-ca")["ca.crt"]
    }


def test_the_database_refuses_connections_without_tls(encrypted: Cluster) -> None:
    """Its rules name TLS. The refusal comes before the password is asked for."""
    command = ("python", "-c", CONNECT_WITHOUT_TLS)
    with pytest.raises(Exception, match=r"pg_hba\.conf .* no encryption"):
        encrypted.kubectl("exec", f"deployment/{RELEASE}-mlflow", "-c", "mlflow", "--", *command)


def test_workers_reach_the_store(encrypted: Cluster) -> None:
    """They read and write the parts of a table by HTTPS."""
    run_id = make_run_id("tls-workers")
    variables = {SOURCE_SETTING: "sample:2000", "MLOPS_INGEST__PART_BYTES": "8192"}
    start_stage(encrypted, "ingest", run_id, variables=variables).wait()
    preprocess = start_stage(encrypted, "preprocess", run_id, variables=variables)
    preprocess.wait()
    assert "parts were handled by 1 worker:" in preprocess.read_log()


def test_the_platform_works(
    encrypted: Cluster, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`helm test` passes, a training run succeeds, and its log can be read."""
    encrypted.helm("test", RELEASE)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    password = encrypted.read_secret(f"{RELEASE}-airflow")["admin-password"]
    url = encrypted.forward(f"{RELEASE}-airflow-api-server", "http").url
    client = AirflowClient(url.replace("http", "https", 1), "admin", password)
    with contextlib.closing(client) as airflow:
        run_id = make_run_id("tls")
        airflow.trigger("training", run_id, source="sample:2000")
        ended = wait_for_run(airflow, "training", run_id)
        assert ended.state == "success", airflow.get_states("training", run_id)
        assert "rows" in airflow.read_log("training", run_id, "ingest")
    address = encrypted.forward(f"{RELEASE}-predictor", "http").url.replace("http", "https", 1)
    # The first connection fails: the port-forward still has the pod before the rotations.
    response = wait_for(
        "prediction", lambda: httpx.post(f"{address}/predict", json=STUDENT, timeout=30)
    )
    assert response.status_code == httpx.codes.OK, response.text
