"""MLflow's templates."""

from __future__ import annotations

import fnmatch

import pytest

from tests.support.helm import NAMESPACE, Values, container, find, names, render, variables


def allowed(values: Values, host: str) -> bool:
    """Whether MLflow answers to a Host header, by the rule of its own server: equal, or a pattern if there is a star in it."""
    given = variables(container(find(render(values), "Deployment", "mlflow")))[
        "MLFLOW_SERVER_ALLOWED_HOSTS"
    ].split(",")
    return any(fnmatch.fnmatch(host, item) if "*" in item else host == item for item in given)


@pytest.mark.parametrize(
    "host",
    [
        "student-mlops-mlflow:5000",
        f"student-mlops-mlflow.{NAMESPACE}:5000",
        f"student-mlops-mlflow.{NAMESPACE}.svc.cluster.local:5000",
        "localhost:5000",
        "127.0.0.1:8081",
    ],
)
def test_answers_to_its_names(host: str) -> None:
    """Pods of the cluster and a port-forward's browser are let in, whichever name and port they come by."""
    assert allowed({}, host)


@pytest.mark.parametrize(
    "host",
    ["evil.org", "evil.org:5000", "student-mlops-mlflow.evil.org:5000", "localhost.evil.org"],
)
def test_answers_to_no_other(host: str) -> None:
    """A page that had its own name resolve to the server is refused."""
    assert not allowed({}, host)


def test_answers_to_names_of_values() -> None:
    """`allowedHosts` lets further names in, with and without a port."""
    values = {"mlflow": {"allowedHosts": ["mlflow.school.org", "*.lan"]}}
    assert all(
        allowed(values, host)
        for host in ("mlflow.school.org", "mlflow.school.org:443", "a.lan", "a.lan:5000")
    )
    assert not allowed(values, "other.school.org")


def test_stands_for_the_store() -> None:
    """Clients need no keys for artifacts: the server passes them on to the models' bucket, of whichever store."""
    for values, bucket, endpoint in (
        ({}, "s3://models/mlflow", "http://student-mlops-minio:9000"),
        (
            {"objectStore": {"bucketPrefix": "school"}},
            "s3://school-models/mlflow",
            "http://student-mlops-minio:9000",
        ),
    ):
        given = variables(container(find(render(values), "Deployment", "mlflow")))
        assert given["MLFLOW_ARTIFACTS_DESTINATION"] == bucket
        assert given["MLFLOW_S3_ENDPOINT_URL"] == endpoint


def test_phones_nobody_and_starts_few_processes() -> None:
    """No telemetry, no job runner, and as many workers as the values say."""
    deployment = find(render({"mlflow": {"workers": 2}}), "Deployment", "mlflow")
    given = variables(container(deployment))
    assert given["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert given["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert "--workers=2" in container(deployment)["args"]


def test_migrates_before_it_serves() -> None:
    """A newer MLflow refuses an older database's tables: they are brought up first, with the same variables."""
    spec = find(render(), "Deployment", "mlflow")["spec"]["template"]["spec"]
    (migrate,), (serve,) = spec["initContainers"], spec["containers"]
    assert migrate["command"] == ["mlflow", "db", "upgrade", "$(MLFLOW_BACKEND_STORE_URI)"]
    assert migrate["env"] == serve["env"]
    assert "password" not in variables(serve)["MLFLOW_BACKEND_STORE_URI"]


def test_replaced() -> None:
    """Another tracking server takes its place everywhere."""
    url = "https://mlflow.school.org"
    values = {
        "mlflow": {"enabled": False, "external": {"url": url}},
        "networkPolicy": {"external": {"mlflow": [{"ipBlock": {"cidr": "192.0.2.1/32"}}]}},
    }
    manifests = render(values)
    assert find(manifests, "ConfigMap", "settings")["data"]["MLOPS_MLFLOW__TRACKING_URI"] == url
    assert not any(
        "mlflow" in name
        for kind in ("Deployment", "Service", "NetworkPolicy")
        for name in names(manifests, kind)
    )
