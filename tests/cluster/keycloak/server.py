"""Keycloak on the cluster, in a namespace of its own, with HTTPS."""

from __future__ import annotations

import contextlib
import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from k8s import cluster as kind
from k8s import images, kind_images
from k8s.process import run
from tests.cluster.cluster import Cluster
from tests.cluster.keycloak.realm import REALM, Realm
from tests.support.certificates import write_certificate

NAMESPACE = "login"
NAME = "keycloak"
HOST = f"{NAME}.{NAMESPACE}.svc"
PORT = 8443
ISSUER = f"https://{HOST}:{PORT}/realms/{REALM}"
LABELS = {"app.kubernetes.io/name": NAME}
ARTIFACT = images.Artifact(
    f"localhost/student-mlops-tests/{NAME}",
    Path(__file__).parent,
    Path(__file__).parent / "Dockerfile",
    {},
)
FILES = "/etc/keycloak"
IMPORTED = "/opt/keycloak/data/import"


@dataclass(frozen=True)
class Keycloak:
    """The running server.

    Attributes:
        cluster: Its namespace.
        realm: The realm's secrets.
        authority: File with the authority of its certificate.
        port: Port of 127.0.0.1 that leads to it.
    """

    cluster: Cluster
    realm: Realm
    authority: Path
    port: int

    def make_transport(self) -> httpx.BaseTransport:
        """Return a transport that reaches the server by its name in the cluster."""
        return _Transport(ssl.create_default_context(cafile=self.authority), self.port)

    @property
    def browser_flags(self) -> list[str]:
        """Flags with which Chromium reaches the server by its name in the cluster."""
        return [
            f"--host-resolver-rules=MAP {HOST}:{PORT} 127.0.0.1:{self.port}",
            "--ignore-certificate-errors",
        ]


class _Transport(httpx.HTTPTransport):
    """Connects to 127.0.0.1 instead of the server's host, and checks the host's certificate."""

    def __init__(self, trusted: ssl.SSLContext, port: int) -> None:
        super().__init__(verify=trusted)
        self._port = port

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host != HOST:
            return super().handle_request(request)
        mapped = httpx.Request(
            request.method,
            request.url.copy_with(host="127.0.0.1", port=self._port),
            headers=request.headers,  # with the header Host of the server
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": HOST},
        )
        return super().handle_request(mapped)


def build_image() -> str:
    """Build the image, load it into the nodes, and return its reference."""
    bases = images.get_base_tags(ARTIFACT)  # without digests, as a machine may have built them
    local = run("docker", "image", "inspect", *bases.values(), check=False).returncode == 0
    overrides = bases if local else {}
    tag = images.build_image(images.plan(ARTIFACT, overrides))
    reference = f"{ARTIFACT.image}:{tag}"
    kind_images.load([reference], kind.list_nodes())
    return reference


@contextlib.contextmanager
def run_keycloak(context: str, folder: Path) -> Iterator[Keycloak]:
    """Start the server in the cluster that the kubectl context names, and delete it afterwards."""
    realm = Realm()
    certificate, key = write_certificate(folder, HOST)
    files = {"tls.crt": certificate.read_text(), "tls.key": key.read_text()}
    image = build_image()
    with contextlib.closing(Cluster(context, NAMESPACE)) as cluster:
        delete_namespace(cluster)
        cluster.kubectl("create", "namespace", NAMESPACE)
        try:
            cluster.create_secret("files", files)
            cluster.create_secret("realm", {"school.json": json.dumps(realm.export())})
            cluster.create(_make_service())
            cluster.create(_make_deployment(image))
            cluster.wait_until_rolled_out(f"deployment/{NAME}")
            yield Keycloak(cluster, realm, certificate, cluster.forward(NAME, "https").port)
        finally:
            delete_namespace(cluster)


def delete_namespace(cluster: Cluster) -> None:
    delete = ("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait")
    cluster.kubectl(*delete, timeout_seconds=300)


def _make_service() -> dict[str, Any]:
    spec = {"selector": LABELS, "ports": [{"name": "https", "port": PORT, "targetPort": "https"}]}
    metadata = {"name": NAME}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _make_deployment(image: str) -> dict[str, Any]:
    ready = {"path": "/health/ready", "port": 9000, "scheme": "HTTPS"}
    container = {
        "name": NAME,
        "image": image,
        "args": [
            "--import-realm",
            f"--hostname=https://{HOST}:{PORT}",
            f"--https-certificate-file={FILES}/tls.crt",
            f"--https-certificate-key-file={FILES}/tls.key",
        ],
        # The second compiler would cost more than it saves in a few minutes.
        "env": [{"name": "JAVA_OPTS_APPEND", "value": "-XX:TieredStopAtLevel=1"}],
        "ports": [{"name": "https", "containerPort": PORT}],
        "readinessProbe": {"httpGet": ready, "periodSeconds": 3, "failureThreshold": 100},
        "resources": {"requests": {"cpu": "100m", "memory": "600Mi"}, "limits": {"memory": "1Gi"}},
        "volumeMounts": [
            {"name": "files", "mountPath": FILES},
            {"name": "realm", "mountPath": IMPORTED},
        ],
    }
    volumes = [{"name": name, "secret": {"secretName": name}} for name in ("files", "realm")]
    pod = {"containers": [container], "volumes": volumes, "enableServiceLinks": False}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": LABELS},
            "template": {"metadata": {"labels": LABELS}, "spec": pod},
        },
    }
