"""Values that contradict each other are refused with what to do."""

from __future__ import annotations

import re

import pytest

from tests.support.chart_scenarios import EXTERNAL
from tests.support.helm import RELEASE, Values, refusal, render, run_helm

CASES: list[tuple[Values, str]] = [
    ({"minio": {"enabled": False}}, "name their Secret in objectStore.existingSecret"),
    (
        {"minio": {"enabled": False}, "objectStore": {"existingSecret": "s"}},
        "say where it lies in networkPolicy.external.objectStore",
    ),
    (
        {"objectStore": {"external": {"endpoint": "https://s3"}}},
        "minio.enabled is true; set one of them only",
    ),
    ({"postgresql": {"enabled": False}}, "set database.external.host"),
    (
        {"postgresql": {"enabled": False}, "database": {"external": {"host": "db"}}},
        "name their Secret in database.existingSecret",
    ),
    (
        {
            "postgresql": {"enabled": False},
            "database": {"external": {"host": "db"}, "existingSecret": "s"},
        },
        "say where it lies in networkPolicy.external.database",
    ),
    (
        {"database": {"external": {"host": "db"}}},
        "postgresql.enabled is true; set one of them only",
    ),
    ({"mlflow": {"enabled": False}}, "set mlflow.external.url"),
    (
        {"mlflow": {"enabled": False, "external": {"url": "http://m"}}},
        "say where it lies in networkPolicy.external.mlflow",
    ),
    ({"mlflow": {"external": {"url": "http://m"}}}, "mlflow.enabled is true; set one of them only"),
    (
        {"database": {"airflow": {"name": "same"}, "mlflow": {"name": "same"}}},
        "Airflow and MLflow need a database each",
    ),
    (
        {"database": {"airflow": {"user": "same"}, "mlflow": {"user": "same"}}},
        "with a password each",
    ),
    (
        {"predictor": {"autoscaling": {"minReplicas": 5, "maxReplicas": 2}}},
        "minReplicas is 5, more than maxReplicas (2)",
    ),
    (
        {"predictor": {"resources": {"requests": {"cpu": None}}}},
        "set predictor.resources.requests.cpu",
    ),
    ({"predictor": {"ingress": {"enabled": True}}}, "set predictor.ingress.host"),
    (
        {"minio": {"service": {"consoleNodePort": 30901}}},
        "minio.service has a port on the nodes but the type ClusterIP",
    ),
    (
        {"airflow": {"service": {"nodePort": 30080}}},
        "airflow.service has a port on the nodes but the type ClusterIP",
    ),
]


@pytest.mark.parametrize(("given", "said"), CASES, ids=[said for _, said in CASES])
def test_contradictions(given: Values, said: str) -> None:
    """Each contradiction is one sentence that names the value and the remedy."""
    message = refusal(given)
    assert said in message
    assert re.search(r"[a-z]\S* (is|are|has|needs) ", message)


def test_long_names() -> None:
    """A release's name that leaves no room for the parts' own names is refused with the way out, which works."""
    long = "a-release-with-a-name-of-more-than-thirty-four"
    answer = run_helm("template", long, "charts/student-mlops")
    assert "set fullnameOverride" in answer.stderr
    assert render({"fullnameOverride": "short"}, release=long)


def test_policies_off_need_no_places() -> None:
    """Without network policies nobody is asked where the replaced services lie."""
    values = {key: value for key, value in EXTERNAL.items() if key != "networkPolicy"}
    assert render({**values, "networkPolicy": {"enabled": False}})


@pytest.mark.parametrize("release", [RELEASE, "spring-term"])
def test_two_releases_share_no_name(release: str) -> None:
    """Releases of different names have no resource of one name, so that several live in a namespace, or in one cluster."""
    own = {(item["kind"], item["metadata"]["name"]) for item in render(release=release)}
    other = {(item["kind"], item["metadata"]["name"]) for item in render(release="other")}
    assert not own & other
