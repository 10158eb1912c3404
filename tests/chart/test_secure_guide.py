"""docs/how-to/secure.md: its values are accepted, and give what the page promises."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from pipeline.settings import Settings
from tests.support.chart_scenarios import CERTIFICATE
from tests.support.helm import (
    ROOT,
    Manifest,
    find,
    get_container,
    get_names,
    get_pods_file,
    get_variables,
    render,
)

PAGE = (ROOT / "docs" / "how-to" / "secure.md").read_text()


def merge(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Return both, with the second on top, as the reader of the page writes one file."""
    both = dict(first)
    for key, value in second.items():
        old = both.get(key)
        both[key] = merge(old, value) if isinstance(old, dict) else value
    return both


def read_values() -> dict[str, Any]:
    """Return the values of all steps."""
    assert "--set-file tls.caBundle=ca.pem" in PAGE
    values: dict[str, Any] = {"tls": {"caBundle": CERTIFICATE}}
    for block in re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        values = merge(values, yaml.safe_load(block))
    return values


@pytest.fixture(scope="module")
def manifests() -> list[Manifest]:
    """The release with the values of the page."""
    return render(read_values())


def test_only_the_predictor_is_published(manifests: list[Manifest]) -> None:
    """There is one Ingress, with a certificate, and no Service that opens a port of the nodes."""
    assert get_names(manifests, "Ingress") == ["student-mlops-predictor"]
    tls = find(manifests, "Ingress", "predictor")["spec"]["tls"]
    types = {item["spec"].get("type") for item in manifests if item["kind"] == "Service"}
    assert types <= {None, "ClusterIP"}
    secrets = set(re.findall(r"create secret \w+ ([\w-]+) ", PAGE))
    values = read_values()
    keys = values["predictor"]["apiKeys"]["existingSecret"]
    client = values["auth"]["oidc"]["existingSecret"]
    assert secrets == {keys, client, *(each["secretName"] for each in tls)}


def test_predictions_need_a_key_and_people_approve(manifests: list[Manifest]) -> None:
    """The predictor reads the keys, MLflow has a login, and promotions wait for a person."""
    variables = get_variables(get_container(find(manifests, "Deployment", "predictor")))
    assert variables["MLOPS_PREDICTOR__API_KEYS_FILE"]
    assert "--app-name=basic-auth" in get_container(find(manifests, "Deployment", "mlflow"))["args"]
    assert get_pods_file(manifests)["approval"]["enabled"]


def test_data_comes_from_the_named_hosts(manifests: list[Manifest]) -> None:
    """The stages have the hosts as the setting of that name."""
    name = "MLOPS_INGEST__ALLOWED_HOSTS"
    hosts = read_values()["settings"][name]
    assert find(manifests, "ConfigMap", "settings")["data"][name] == hosts
    settings = Settings.load({name: hosts})
    assert settings.ingest.allowed_hosts == ("data.school.org", "*.example.org")


def test_connections_are_encrypted(manifests: list[Manifest]) -> None:
    """Clients connect by HTTPS, the ingress controller too."""
    settings = find(manifests, "ConfigMap", "settings")["data"]
    for name in ("LAKE__ENDPOINT", "MLFLOW__TRACKING_URI", "PREDICTOR__URL"):
        assert settings[f"MLOPS_{name}"].startswith("https://")
    annotations = find(manifests, "Ingress", "predictor")["metadata"]["annotations"]
    assert annotations["nginx.ingress.kubernetes.io/backend-protocol"] == "HTTPS"


def test_people_log_in_at_the_issuer(manifests: list[Manifest]) -> None:
    """The redirect URIs are those of the rendered release, whose Ingress leads to the login."""
    uris = re.findall(r"^https?://\S+/(?:oauth2|auth)/\S+$", PAGE, re.MULTILINE)
    login = get_container(find(manifests, "Deployment", "predictor-login"))
    assert f"--redirect-url={uris[0]}" in login["args"]
    (rule,) = find(manifests, "Ingress", "predictor")["spec"]["rules"]
    backend = rule["http"]["paths"][0]["backend"]["service"]["name"]
    assert backend == "student-mlops-predictor"
    assert backend in PAGE
    ports = find(manifests, "Service", "mlflow")["spec"]["ports"]
    assert f":{ports[0]['port']}/oauth2/callback" in uris[1]
    assert "nginx.ingress.kubernetes.io/proxy-buffer-size" in PAGE
