"""MLflow's templates."""

from __future__ import annotations

import fnmatch
from typing import Any

import pytest

from tests.support.helm import (
    NAMESPACE,
    Values,
    find,
    get_container,
    get_names,
    get_variables,
    render,
)


def get_environment(values: Values) -> dict[str, Any]:
    return get_variables(get_container(find(render(values), "Deployment", "mlflow")))


def is_allowed(values: Values, host: str) -> bool:
    """Return whether MLflow accepts a Host header, by the rule of its server.

    An allowed host is equal to an entry, or matches an entry that contains a star.
    """
    allowed = get_environment(values)["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    return any(fnmatch.fnmatch(host, item) if "*" in item else host == item for item in allowed)


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
def test_accepted_hosts(host: str) -> None:
    """The cluster's pods and a browser behind a port-forward are accepted, with any port."""
    assert is_allowed({}, host)


@pytest.mark.parametrize(
    "host",
    ["evil.org", "evil.org:5000", "student-mlops-mlflow.evil.org:5000", "localhost.evil.org"],
)
def test_refused_hosts(host: str) -> None:
    """Any other host is refused, so that DNS rebinding does not reach the server."""
    assert not is_allowed({}, host)


def test_hosts_in_values() -> None:
    """`allowedHosts` adds host names, with and without a port."""
    values = {"mlflow": {"allowedHosts": ["mlflow.school.org", "*.lan"]}}
    for host in ("mlflow.school.org", "mlflow.school.org:443", "a.lan", "a.lan:5000"):
        assert is_allowed(values, host)
    assert not is_allowed(values, "other.school.org")


@pytest.mark.parametrize(
    ("values", "bucket"),
    [
        ({}, "s3://models/mlflow"),
        ({"objectStore": {"bucketPrefix": "school"}}, "s3://school-models/mlflow"),
    ],
)
def test_the_server_stores_the_artifacts(values: Values, bucket: str) -> None:
    """The server proxies artifacts to the models' bucket, so that clients need no S3 keys."""
    environment = get_environment(values)
    assert environment["MLFLOW_ARTIFACTS_DESTINATION"] == bucket
    assert environment["MLFLOW_S3_ENDPOINT_URL"] == "http://student-mlops-minio:9000"


def test_no_telemetry_and_few_processes() -> None:
    """MLflow sends no telemetry, runs no jobs, and starts as many workers as the values say."""
    environment = get_environment({})
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    deployment = find(render({"mlflow": {"workers": 2}}), "Deployment", "mlflow")
    assert "--workers=2" in get_container(deployment)["args"]


def test_own_variables_replace_the_charts() -> None:
    """A variable in `mlflow.env` replaces the chart's, also with a value that counts as empty."""
    own = {"MLFLOW_DISABLE_TELEMETRY": False, "PGPASSWORD": "mine", "MLFLOW_LOGGING_LEVEL": "DEBUG"}
    environment = get_environment({"mlflow": {"env": own}})
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "false"
    assert environment["PGPASSWORD"] == "mine"
    assert environment["MLFLOW_LOGGING_LEVEL"] == "DEBUG"


def test_migrates_before_it_serves() -> None:
    """An init container upgrades the tables, with the server's variables."""
    spec = find(render(), "Deployment", "mlflow")["spec"]["template"]["spec"]
    (migrate,), (server,) = spec["initContainers"], spec["containers"]
    assert migrate["command"] == ["mlflow", "db", "upgrade", "$(MLFLOW_BACKEND_STORE_URI)"]
    assert migrate["env"] == server["env"]
    assert "password" not in get_variables(server)["MLFLOW_BACKEND_STORE_URI"]


def test_external() -> None:
    """An external tracking server replaces MLflow everywhere."""
    url = "https://mlflow.school.org"
    values = {
        "mlflow": {"enabled": False, "external": {"url": url}},
        "networkPolicy": {"external": {"mlflow": [{"ipBlock": {"cidr": "192.0.2.1/32"}}]}},
    }
    manifests = render(values)
    assert find(manifests, "ConfigMap", "settings")["data"]["MLOPS_MLFLOW__TRACKING_URI"] == url
    for kind in ("Deployment", "Service", "NetworkPolicy"):
        assert not any("mlflow" in name for name in get_names(manifests, kind))
