"""Values that contradict each other are refused with a message that says what to do."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from docs.values import SCHEMA
from tests.support.chart_scenarios import CLOUD, EXTERNAL, KEYS_OF_THEIR_OWN, TLS
from tests.support.helm import CHART, RELEASE, Values, get_refusal, render, run_helm

LOGIN_VARIABLES = (
    ("airflow", "AIRFLOW__CORE__AUTH_MANAGER"),
    ("airflow", "AIRFLOW__FAB__AUTH_ROLE_PUBLIC"),
    ("airflow", "AIRFLOW__FAB__CONFIG_FILE"),
    ("mlflow", "MLFLOW_AUTH_CONFIG_PATH"),
)
"""Component and the variable of its `env` that decides how people log in."""

CASES: list[tuple[Values, str]] = [
    ({"columns": "machines.columns.yaml"}, "pass it with --set-file columns=PATH"),
    ({"minio": {"enabled": False}}, "and answers, backup, commands, "),
    (
        {
            **CLOUD,
            "objectStore": {
                "identities": KEYS_OF_THEIR_OWN["objectStore"]["identities"],
            },
        },
        "set objectStore.createBuckets to false",
    ),
    (
        {"minio": {"enabled": False}, "objectStore": {"existingSecret": "s"}},
        "set networkPolicy.external.objectStore",
    ),
    (
        {"objectStore": {"external": {"endpoint": "https://s3"}}},
        "minio.enabled is true; change one of the two",
    ),
    ({"postgresql": {"enabled": False}}, "set database.external.host"),
    (
        {"tls": {"internal": {"enabled": True, "certManager": {"issuer": "school"}}}},
        "with --set-file tls.caBundle=ca.pem",
    ),
    (
        {"tls": {"internal": {"enabled": True, "existingSecrets": {"mlflow": "certificate"}}}},
        "with --set-file tls.caBundle=ca.pem",
    ),
    (EXTERNAL | TLS, "set tls.caBundle to those of mlflow.external.url"),
    ({"proxy": {"https": "http://proxy:3128"}}, "set networkPolicy.external.proxy"),
    (
        {"postgresql": {"enabled": False}, "database": {"external": {"host": "db"}}},
        "set database.existingSecret",
    ),
    (
        {
            "postgresql": {"enabled": False},
            "database": {"external": {"host": "db"}, "existingSecret": "s"},
        },
        "set networkPolicy.external.database",
    ),
    (
        {"database": {"external": {"host": "db"}}},
        "postgresql.enabled is true; change one of the two",
    ),
    ({"mlflow": {"enabled": False}}, "set mlflow.external.url"),
    (
        {"mlflow": {"enabled": False, "external": {"url": "http://m"}}},
        "set networkPolicy.external.mlflow",
    ),
    (
        {"mlflow": {"external": {"url": "http://m"}}},
        "mlflow.enabled is true; change one of the two",
    ),
    (
        {"auth": {"oidc": {"issuer": "https://login.school.org"}}},
        "set auth.oidc.existingSecret",
    ),
    ({"auth": {"oidc": {"existingSecret": "client"}}}, "set auth.oidc.issuer"),
    ({"auth": {"oidc": {"logoutUrl": "https://login/end"}}}, "set auth.oidc.issuer"),
    *(
        (
            {
                "auth": {
                    "oidc": {
                        "issuer": "https://login.school.org",
                        "existingSecret": "client",
                        "logoutUrl": url,
                    }
                }
            },
            f'auth.oidc.logoutUrl is "{url}", and the login\'s pods can reach only the port',
        )
        for url in ("http://login.school.org:443/end", "https://login.school.org:8443/end")
    ),
    ({"auth": {"oidc": {"logoutUrl": "https://login/end?id_token_hint=x"}}}, "logoutUrl"),
    *(
        (
            {"auth": {"oidc": {"issuer": f"http://{host}", "existingSecret": "client"}}},
            f'auth.oidc.issuer is "http://{host}", and passwords and tokens would cross',
        )
        for host in ("login.school.org/realms/school", "keycloak.school", "192.0.2.1:8080")
    ),
    (
        TLS | {"auth": {"oidc": {"issuer": "https://login", "existingSecret": "client"}}},
        "set tls.caBundle to those of auth.oidc.issuer",
    ),
    (
        {"database": {"airflow": {"name": "same"}, "mlflow": {"name": "same"}}},
        'both "same", and Airflow and MLflow cannot share a database',
    ),
    (
        {"database": {"airflow": {"user": "same"}, "mlflow": {"user": "same"}}},
        'both "same", and each database needs its own user',
    ),
    (
        {"predictor": {"autoscaling": {"minReplicas": 5, "maxReplicas": 2}}},
        "minReplicas is 5, which is more than maxReplicas (2)",
    ),
    (
        {"predictor": {"resources": {"requests": {"cpu": None}}}},
        "set predictor.resources.requests.cpu",
    ),
    (
        {"dask": {"workers": {"autoscaling": {"enabled": True, "minReplicas": 9}}}},
        "dask.workers.autoscaling.minReplicas is 9, which is more than maxReplicas (8)",
    ),
    (
        {
            "dask": {
                "workers": {
                    "autoscaling": {"enabled": True},
                    "resources": {"requests": {"cpu": None}},
                }
            }
        },
        "set dask.workers.resources.requests.cpu",
    ),
    ({"predictor": {"ingress": {"enabled": True}}}, "set predictor.ingress.host"),
    (
        {"minio": {"service": {"consoleNodePort": 30901}}},
        "set minio.service.type to NodePort",
    ),
    *(
        (
            {component: {"service": {"type": "LoadBalancer"}, "env": {variable: "anything"}}},
            f"{component}.env.{variable} replaces or removes the login",
        )
        for component, variable in LOGIN_VARIABLES
    ),
    (
        {"airflow": {"adminUser": "operator"}},
        'airflow.adminUser is "operator", which is the name of another user of Airflow',
    ),
    (
        {"airflow": {"service": {"nodePort": 30080}}},
        "set airflow.service.type to NodePort",
    ),
]


@pytest.mark.parametrize(("values", "expected"), CASES, ids=[expected for _, expected in CASES])
def test_contradictions(values: Values, expected: str) -> None:
    """A contradiction is refused with the values, the reason and the remedy."""
    assert expected in get_refusal(values)


@pytest.mark.parametrize(("component", "variable"), LOGIN_VARIABLES)
def test_another_login_needs_a_server_inside_the_cluster(component: str, variable: str) -> None:
    """The variable is refused behind an Ingress, and accepted for a Service of type ClusterIP."""
    env = {variable: "anything"}
    assert render({component: {"env": env}})
    published = {"enabled": True, "host": "ui.school.org", "tlsSecretName": "certificate"}
    refusal = get_refusal({component: {"env": env, "ingress": published}})
    assert "everybody can reach the server" in refusal


def find_renamed(part: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], str]:
    """Return the old names in a part of the schema: the path of each and its new name."""
    found = {}
    for name, below in part.get("properties", {}).items():
        match = re.fullmatch(r"renamed to (\S+)", below.get("$comment", ""))
        if match:
            found[(*path, name)] = match[1]
        else:
            found |= find_renamed(below, (*path, name))
    return found


@pytest.mark.parametrize(
    ("path", "new_name"),
    find_renamed(json.loads(SCHEMA.read_text())).items(),
    ids=lambda item: ".".join(item) if isinstance(item, tuple) else "",
)
def test_old_names(path: tuple[str, ...], new_name: str) -> None:
    """The old name of a value is refused with the new one."""
    values: Any = {"any": "value"}
    for key in reversed(path):
        values = {key: values}
    assert f"{'.'.join(path)} is now {new_name}; rename it in your values" in get_refusal(values)


@pytest.mark.parametrize(
    "host",
    [
        "keycloak",
        "keycloak:8080/realms/school",
        "login.other.svc",
        "login.other.svc.cluster.local:80",
    ],
)
def test_an_issuer_inside_the_cluster_needs_no_certificate(host: str) -> None:
    """A plain `http://` issuer is accepted if its host is a Service of the cluster."""
    assert render({"auth": {"oidc": {"issuer": f"http://{host}", "existingSecret": "client"}}})


def test_long_names() -> None:
    """A release name that is too long is refused with a remedy, and the remedy works."""
    name = "a-release-with-a-name-of-more-than-thirty-four"
    assert "set fullnameOverride" in run_helm("template", name, str(CHART)).stderr
    assert render({"fullnameOverride": "short"}, release=name)


def test_external_services_need_no_peers_without_policies() -> None:
    """If network policies are off, the addresses of external services are not required."""
    values = {key: value for key, value in EXTERNAL.items() if key != "networkPolicy"}
    assert render({**values, "networkPolicy": {"enabled": False}})


@pytest.mark.parametrize("release", [RELEASE, "spring-term"])
def test_two_releases_share_no_name(release: str) -> None:
    """Two releases can live in one namespace, because no two of their resources share a name."""
    own = {(item["kind"], item["metadata"]["name"]) for item in render(release=release)}
    other = {(item["kind"], item["metadata"]["name"]) for item in render(release="other")}
    assert not own & other
