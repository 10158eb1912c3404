"""Encrypted connections inside the cluster: the certificates, and who checks them."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography import x509

from dags.pod_spec import build_pod
from pipeline.stages import STAGES
from tests.support.chart_scenarios import CERT_MANAGER, CERTIFICATE, EXTERNAL, TLS, WORKERS
from tests.support.helm import (
    NAMESPACE,
    RELEASE,
    Manifest,
    find,
    get_by_hand_pod,
    get_container,
    get_containers,
    get_names,
    get_pod_specs,
    get_pods_file,
    render,
)

SERVERS = {
    "minio": ["minio"],
    "postgresql": ["postgresql"],
    "mlflow": ["mlflow", "mlflow-internal"],
    "airflow": ["airflow-api-server"],
    "predictor": ["predictor", "predictor-internal", "predictor-pods"],
}
"""Server -> its Services."""
BUNDLE = "/etc/student-mlops-ca/ca.crt"
VERIFYING = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "PGSSLROOTCERT")


def read_secret(manifests: list[Manifest], name: str) -> dict[str, bytes]:
    data = find(manifests, "Secret", name)["data"]
    return {key: base64.b64decode(value) for key, value in data.items()}


def get_hosts(certificate: x509.Certificate) -> list[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name) for name in names.get_values_for_type(x509.DNSName)]


def list_hosts(services: list[str]) -> set[str]:
    """Return the names under which pods of any namespace reach Services."""
    names = [f"{RELEASE}-{service}" for service in services]
    domains = ("", f".{NAMESPACE}", f".{NAMESPACE}.svc")
    return {"localhost", *(f"{name}{domain}" for name in names for domain in domains)}


def get_variables(manifests: list[Manifest], container: Manifest) -> dict[str, str]:
    """Return the variables of a container, with those of its ConfigMaps."""
    maps = {
        item["metadata"]["name"]: item["data"] for item in manifests if item["kind"] == "ConfigMap"
    }
    variables: dict[str, str] = {}
    for source in container.get("envFrom", []):
        variables |= maps.get(source.get("configMapRef", {}).get("name"), {})
    own = {item["name"]: item["value"] for item in container.get("env", []) if "value" in item}
    return variables | own


def list_pods(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Yield the name and spec of every pod: those of stages and of commands too."""
    yield from get_pod_specs(manifests)
    yield "by-hand", get_by_hand_pod(manifests)["spec"]
    for stage in STAGES:
        yield stage.name, build_pod(stage, (), get_pods_file(manifests))["spec"]


def test_each_server_has_its_own_certificate() -> None:
    """The chart's authority signs it, for the names of its Services and no others."""
    manifests = render(TLS)
    authority = x509.load_pem_x509_certificate(read_secret(manifests, "ca")["ca.crt"])
    keys = set()
    for server, services in SERVERS.items():
        secret = read_secret(manifests, f"{server}-tls")
        certificate = x509.load_pem_x509_certificate(secret["tls.crt"])
        certificate.verify_directly_issued_by(authority)
        assert set(get_hosts(certificate)) == list_hosts(services)
        assert secret["ca.crt"] == read_secret(manifests, "ca")["ca.crt"]
        keys.add(secret["tls.key"])
    assert len(keys) == len(SERVERS)
    bundle = find(manifests, "ConfigMap", "ca")["data"]["ca.crt"]
    assert x509.load_pem_x509_certificate(bundle.encode()) == authority


def test_a_pod_has_only_the_key_of_its_own_server() -> None:
    """No pod mounts the authority's Secret."""
    mounted = {}
    for name, spec in list_pods(render(TLS)):
        for volume in spec.get("volumes", []):
            if volume.get("secret", {}).get("secretName", "").endswith(("-tls", "-ca")):
                mounted[name] = volume["secret"]["secretName"]
    assert mounted == {
        f"{RELEASE}-{services[0]}": f"{RELEASE}-{server}-tls"
        for server, services in SERVERS.items()
    }


def test_every_address_is_encrypted() -> None:
    """No container gets an http:// address of the platform, and no probe is plain.

    Dask's own health page and dashboard have no TLS; only the kubelet and port-forwards reach them.
    """
    manifests = render(TLS | WORKERS)
    for name, spec in list_pods(manifests):
        for container in get_containers(spec):
            variables = get_variables(manifests, container)
            plain = {key: text for key, text in variables.items() if f"http://{RELEASE}" in text}
            assert plain == {}, name
            probes = ("startupProbe", "readinessProbe", "livenessProbe")
            for probe in probes if "dask" not in name else ():
                request = container.get(probe, {}).get("httpGet", {"scheme": "HTTPS"})
                assert request["scheme"] == "HTTPS", name


def test_every_client_checks_certificates() -> None:
    """The files that its variables name are mounted."""
    manifests = render(TLS | WORKERS)
    for name, spec in list_pods(manifests):
        for container in get_containers(spec):
            variables = get_variables(manifests, container)
            files = {variables[key] for key in VERIFYING if key in variables}
            assert files <= {BUNDLE}, name
            mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
            assert not files or mounts["ca"] == BUNDLE.rpartition("/")[0], name
            if "MLOPS_LAKE__ENDPOINT" in variables:
                assert {"AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"} <= variables.keys(), name
            if any("postgresql+psycopg2" in value for value in variables.values()):
                assert variables["PGSSLMODE"] == "verify-full", name
                assert "PGSSLROOTCERT" in variables, name
            if name.startswith(f"{RELEASE}-test-") or "buckets" in name:
                assert "SSL_CERT_FILE" in variables, name


def test_servers_use_their_certificates() -> None:
    """PostgreSQL accepts other pods only with TLS."""
    manifests = render(TLS)
    postgresql = get_container(find(manifests, "StatefulSet", "postgresql"))
    assert {"-cssl=on", "-chba_file=/etc/postgresql/pg_hba.conf"} <= set(postgresql["args"])
    rules = find(manifests, "ConfigMap", "postgresql-files")["data"]["pg_hba.conf"]
    kinds = re.findall(r"^(\w+) +all +all +(\S+)", rules, re.MULTILINE)
    assert kinds == [("local", "trust"), ("host", "127.0.0.1/32"), ("hostssl", "all")]
    mlflow = get_container(find(manifests, "Deployment", "mlflow"))
    folder = "/etc/student-mlops-tls"
    options = f"--ssl-certfile={folder}/tls.crt --ssl-keyfile={folder}/tls.key"
    assert f"--uvicorn-opts={options}" in mlflow["args"]
    airflow = get_container(find(manifests, "Deployment", "airflow-api-server"))
    assert get_variables(manifests, airflow)["AIRFLOW__API__SSL_KEY"] == f"{folder}/tls.key"
    scheduler = get_container(find(manifests, "StatefulSet", "airflow-scheduler"))
    variables = get_variables(manifests, scheduler)
    assert variables["AIRFLOW__API__SSL_CA_FILE"] == BUNDLE
    assert "AIRFLOW__API__SSL_CERT" not in variables
    predictor = get_container(find(manifests, "Deployment", "predictor"))
    variables = get_variables(manifests, predictor)
    assert variables["MLOPS_PREDICTOR__TLS_KEY_FILE"] == f"{folder}/tls.key"


def test_cert_manager_signs_what_has_no_secret() -> None:
    """Clients trust the authority of the values, because the chart has none."""
    manifests = render(CERT_MANAGER)
    certificates = {
        item["metadata"]["name"]: item["spec"]
        for item in manifests
        if item["kind"] == "Certificate"
    }
    servers = [server for server in SERVERS if server != "postgresql"]
    assert set(certificates) == {f"{RELEASE}-{server}-tls" for server in servers}
    spec = certificates[f"{RELEASE}-predictor-tls"]
    assert spec["secretName"] == f"{RELEASE}-predictor-tls"
    assert set(spec["dnsNames"]) == list_hosts(SERVERS["predictor"])
    assert spec["issuerRef"]["kind"] == "ClusterIssuer"
    assert not [name for name in get_names(manifests, "Secret") if name.endswith(("tls", "-ca"))]
    assert find(manifests, "ConfigMap", "ca")["data"]["ca.crt"].strip() == CERTIFICATE.strip()
    database = find(manifests, "StatefulSet", "postgresql")["spec"]["template"]["spec"]
    (volume,) = (item for item in database["volumes"] if item["name"] == "tls")
    assert volume["secret"]["secretName"] == "database-certificate"


def test_a_company_authority_is_trusted_without_encryption_inside() -> None:
    """External services can have its certificates; the database checks them if asked to."""
    external = EXTERNAL | {"tls": {"caBundle": CERTIFICATE}}
    external["database"] = EXTERNAL["database"] | {
        "external": {"host": "db.school.org", "sslMode": "verify-full"}
    }
    manifests = render(external)
    assert find(manifests, "ConfigMap", "settings")["data"]["AWS_CA_BUNDLE"] == BUNDLE
    airflow = find(manifests, "ConfigMap", "airflow")["data"]
    assert (airflow["PGSSLMODE"], airflow["PGSSLROOTCERT"]) == ("verify-full", BUNDLE)
    assert "AIRFLOW__API__SSL_CA_FILE" not in airflow
    assert not [name for name in get_names(manifests, "Secret") if name.endswith("-tls")]


def test_public_authorities_of_an_external_store_stay_trusted() -> None:
    """boto3 trusts only the bundle if it gets one, and AWS has public certificates."""
    external: Any = EXTERNAL | {"mlflow": {"enabled": True}} | TLS
    settings = find(render(external), "ConfigMap", "settings")["data"]
    assert "AWS_CA_BUNDLE" not in settings
    assert settings["REQUESTS_CA_BUNDLE"] == BUNDLE


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_only_the_stage_with_internet_access_uses_the_proxy(stage: Any) -> None:
    """MinIO and the hosts of the values are reached without it."""
    manifests = render(CERT_MANAGER)
    spec = build_pod(stage, (), get_pods_file(manifests))["spec"]
    variables = get_variables(manifests, spec["containers"][0])
    assert ("HTTPS_PROXY" in variables) == ("https_proxy" in variables) == stage.internet
    if stage.internet:
        assert variables["HTTPS_PROXY"] == "http://proxy.school.org:3128"
        without = variables["NO_PROXY"].split(",")
        assert {f"{RELEASE}-minio", ".school.org", "localhost"} <= set(without)


def test_with_a_proxy_only_the_proxy_is_reachable() -> None:
    """The network policy of the internet names the proxy's address and port instead."""
    (rule,) = find(render(CERT_MANAGER), "NetworkPolicy", "stage-internet")["spec"]["egress"]
    assert rule["to"] == [{"ipBlock": {"cidr": "192.0.2.40/32"}}]
    assert rule["ports"] == [{"port": 3128, "protocol": "TCP"}]
