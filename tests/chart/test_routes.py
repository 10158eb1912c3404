"""Web interfaces that an ingress controller or a gateway publishes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.chart_scenarios import TLS
from tests.support.helm import Values, find, get_container, get_refusal, render

INTERFACES = {
    "predictor": ("predictor", "http"),
    "mlflow": ("mlflow", "http"),
    "airflow": ("airflow-api-server", "http"),
    "minio": ("minio", "console"),
}
"""Key of the values -> Service of the web interface, and the name of its port."""
CONTROLLER: Values = {"networkPolicy": {"webInterfaces": [{"podSelector": {}}]}}


def get_port(manifests: list[Any], service: str, name: str) -> int:
    ports = find(manifests, "Service", service)["spec"]["ports"]
    return next(int(item["port"]) for item in ports if item["name"] == name)


@pytest.mark.parametrize("component", INTERFACES)
def test_an_ingress_with_a_certificate(component: str) -> None:
    """It leads to the Service of the web interface."""
    ingress = {"enabled": True, "host": "ui.school.org", "tlsSecretName": "certificate"}
    values = CONTROLLER | {component: {"ingress": ingress}}
    service, port = INTERFACES[component]
    spec = find(render(values), "Ingress", service)["spec"]
    assert spec["tls"] == [{"hosts": ["ui.school.org"], "secretName": "certificate"}]
    (rule,) = spec["rules"]
    assert rule["host"] == "ui.school.org"
    backend = rule["http"]["paths"][0]["backend"]["service"]
    assert backend == {"name": f"student-mlops-{service}", "port": {"name": port}}


@pytest.mark.parametrize("component", INTERFACES)
def test_a_route_of_a_gateway(component: str) -> None:
    """The gateway has the certificate."""
    parents = [{"name": "public", "namespace": "gateways"}]
    route = {"enabled": True, "host": "ui.school.org", "parentRefs": parents}
    manifests = render(CONTROLLER | {component: {"httpRoute": route}})
    service, port = INTERFACES[component]
    spec = find(manifests, "HTTPRoute", service)["spec"]
    assert (spec["parentRefs"], spec["hostnames"]) == (parents, ["ui.school.org"])
    (rule,) = spec["rules"]
    expected = {"name": f"student-mlops-{service}", "port": get_port(manifests, service, port)}
    assert rule["backendRefs"] == [expected]


def test_servers_know_their_public_address() -> None:
    """MLflow responds under it; Airflow and MinIO's console put it into links."""
    ingress = {"enabled": True, "tlsSecretName": "certificate"}
    hosts = {name: {"ingress": ingress | {"host": f"{name}.school.org"}} for name in INTERFACES}
    manifests = render(CONTROLLER | hosts)
    mlflow = get_container(find(manifests, "Deployment", "mlflow"))
    variables = {item["name"]: item.get("value", "") for item in mlflow["env"]}
    assert "mlflow.school.org," in variables["MLFLOW_SERVER_ALLOWED_HOSTS"]
    airflow = find(manifests, "ConfigMap", "airflow")["data"]
    assert airflow["AIRFLOW__API__BASE_URL"] == "https://airflow.school.org"
    minio = get_container(find(manifests, "StatefulSet", "minio"))
    url = {"name": "MINIO_BROWSER_REDIRECT_URL", "value": "https://minio.school.org"}
    assert url in minio["env"]


@pytest.mark.parametrize("component", INTERFACES)
@pytest.mark.parametrize(
    ("values", "remedy"),
    [
        ({"ingress": {"enabled": True}}, ".ingress.host"),
        ({"httpRoute": {"enabled": True}}, ".httpRoute.host"),
        ({"httpRoute": {"enabled": True, "host": "a.b"}}, ".httpRoute.parentRefs"),
    ],
)
def test_incomplete_values_are_refused(component: str, values: Values, remedy: str) -> None:
    """The message has the value to set."""
    assert f"set {component}{remedy}" in get_refusal(CONTROLLER | {component: values})


@pytest.mark.parametrize("component", INTERFACES)
def test_an_ingress_without_a_certificate_is_refused(component: str) -> None:
    """Unless the values say that TLS ends elsewhere; then browsers still use https://."""
    ingress = {"enabled": True, "host": "ui.school.org"}
    refusal = get_refusal(CONTROLLER | {component: {"ingress": ingress}})
    assert f"set {component}.ingress.tlsSecretName" in refusal
    assert f"{component}.ingress.tlsTerminatedUpstream" in refusal
    elsewhere = {component: {"ingress": ingress | {"tlsTerminatedUpstream": True}}}
    manifests = render(CONTROLLER | elsewhere)
    assert "tls" not in find(manifests, "Ingress", INTERFACES[component][0])["spec"]


@pytest.mark.parametrize("component", INTERFACES)
def test_a_route_to_an_encrypted_server_is_refused(component: str) -> None:
    """The chart has no policy by which the gateway would connect by HTTPS."""
    parents = [{"name": "public", "namespace": "gateways"}]
    route = {"enabled": True, "host": "ui.school.org", "parentRefs": parents}
    refusal = get_refusal(CONTROLLER | TLS | {component: {"httpRoute": route}})
    assert f"use {component}.ingress instead" in refusal


@pytest.mark.parametrize("component", [name for name in INTERFACES if name != "predictor"])
def test_a_controller_that_network_policies_block_is_refused(component: str) -> None:
    """Only the predictor is open to every pod."""
    ingress = {"enabled": True, "host": "a.b", "tlsSecretName": "certificate"}
    values: Values = {component: {"ingress": ingress}}
    assert "set networkPolicy.webInterfaces" in get_refusal(values)
    find(render({"predictor": values[component]}), "Ingress", "predictor")
