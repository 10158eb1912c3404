"""The kind cluster: create it, start it again after a restart of the machine, delete it."""

from __future__ import annotations

import json
import os
import socket
import ssl
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import yaml

from k8s.process import ROOT, ClusterError, Progress, read_output, run
from pipeline.console import echo

CONFIG = ROOT / "k8s" / "kind.yaml"
NAMESPACE = "student-mlops"
FROM_SOURCE = ROOT / "contrib" / "kind-from-source" / "build"
REGISTRY_URL = "https://registry-1.docker.io/v2/"

CREATE_TIMEOUT_SECONDS = 600
COMPILE_TIMEOUT_SECONDS = 3600
READY_TIMEOUT_SECONDS = 300


@cache
def read_config() -> dict[str, Any]:
    """Return the content of k8s/kind.yaml."""
    loaded: dict[str, Any] = yaml.safe_load(CONFIG.read_text())
    return loaded


def cluster_name() -> str:
    return str(read_config()["name"])


def context() -> str:
    """Return the name of the cluster's kubectl context."""
    return f"kind-{cluster_name()}"


def kubectl(*arguments: str | Path, check: bool = True, timeout_seconds: float = 120) -> str:
    """Run kubectl on the cluster and return what it prints."""
    command = ("kubectl", "--context", context(), *arguments)
    return run(*command, check=check, timeout_seconds=timeout_seconds).stdout


def get_objects(*arguments: str) -> list[dict[str, Any]]:
    """Return the objects that `kubectl get ARGUMENTS` finds in the platform's namespace."""
    command = ("--namespace", NAMESPACE, "get", "--output=json", *arguments)
    objects: list[dict[str, Any]] = json.loads(kubectl(*command))["items"]
    return objects


def check_tools() -> None:
    """Check the programs that `make up` needs.

    Raises:
        ClusterError: If one is missing, or Docker's daemon does not answer.
    """
    run("docker", "--version")
    for program in ("kind", "kubectl", "helm"):
        run(program, "version", check=False)  # kubectl's fails without a cluster
    if run("docker", "info", check=False).returncode != 0:
        raise ClusterError(
            "Docker's daemon does not answer. Start it; on Debian as root, `make tools` does."
        )


def registry_is_reachable() -> bool:
    """Whether Docker Hub answers; it answers 401 to a request without credentials."""
    try:
        verify = ssl.create_default_context()  # the system's certificate authorities
        status = httpx.get(REGISTRY_URL, timeout=5, verify=verify).status_code
    except httpx.TransportError:
        return False
    return status in (httpx.codes.OK, httpx.codes.UNAUTHORIZED)


def is_built_from_source() -> bool:
    """Whether base images are built from packages: KIND_FROM_SOURCE, or without a registry."""
    choice = os.environ.get("KIND_FROM_SOURCE")
    return choice == "1" if choice else not registry_is_reachable()


def cluster_exists() -> bool:
    return cluster_name() in run("kind", "get", "clusters").stdout.split()


def list_nodes() -> list[str]:
    """Return the cluster's nodes, in the order in which they were created."""
    names = read_output("kind", "get", "nodes", "--name", cluster_name()).split()
    created = read_output("docker", "inspect", "--format", "{{.Created}} {{.Name}}", *names)
    return [line.partition(" /")[2] for line in sorted(created.splitlines())]


def prepare_from_source() -> str:
    """Build the base images and kind's node image from packages; returns the node image's name."""
    echo(
        "no container registry can be reached: building the base images and kind's node image "
        "from packages (contrib/kind-from-source)"
    )
    built = run(FROM_SOURCE, timeout_seconds=COMPILE_TIMEOUT_SECONDS)
    return built.stdout.splitlines()[-1]


def ensure_cluster(node_image: str | None, node_count: int) -> None:
    """Create the cluster of k8s/kind.yaml, or start the nodes of an existing one.

    Args:
        node_image: The image of the nodes; None for kind's default.
        node_count: The number of nodes of a new cluster.

    Raises:
        ClusterError: If a port is taken, kind failed, or the nodes do not become ready.
    """
    if cluster_exists():
        started = start_nodes()
        echo(f"cluster {cluster_name()}: {'started again' if started else 'already running'}")
    else:
        create_cluster(node_image, node_count)
    if run("kubectl", "config", "get-contexts", context(), check=False).returncode != 0:
        run("kind", "export", "kubeconfig", "--name", cluster_name())
    Progress().wait_for("the nodes", list_unready_nodes, timeout_seconds=READY_TIMEOUT_SECONDS)


def start_nodes() -> list[str]:
    """Start the nodes that are stopped, as after a restart of the machine.

    They are started in the order of their creation, so that Docker gives each its address again.

    Returns:
        The nodes that were started.
    """
    running = read_output("docker", "ps", "--format", "{{.Names}}").split()
    stopped = [node for node in list_nodes() if node not in running]
    for node in stopped:
        run("docker", "start", node)
    return stopped


def create_cluster(node_image: str | None, node_count: int) -> None:
    """Create the cluster of k8s/kind.yaml with this number of nodes, all of which run pods.

    Raises:
        ClusterError: If a port is taken, or kind failed.
    """
    nodes = read_config()["nodes"]
    for mapping in nodes[0]["extraPortMappings"]:
        check_port_is_free(mapping["listenAddress"], mapping["hostPort"])
    echo(f"cluster {cluster_name()}: creating it")
    command = ["kind", "create", "cluster", "--wait=180s"]
    if node_image is not None:
        command.append(f"--image={node_image}")
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        workers = [{"role": "worker"}] * (node_count - 1)
        yaml.safe_dump(read_config() | {"nodes": [*nodes, *workers]}, file)
        file.flush()
        run(*command, "--config", file.name, timeout_seconds=CREATE_TIMEOUT_SECONDS)
    if workers:  # kind then reserves the first node for the control plane
        taint = "node-role.kubernetes.io/control-plane-"
        kubectl("taint", "nodes", "--all", taint, check=False)


def list_unready_nodes() -> str | None:
    """Name the nodes that have not reported ready since their container started, if any."""
    command = ("kubectl", "--context", context(), "get", "nodes", "--output=json")
    listed = run(*command, check=False)
    if listed.returncode != 0:
        return "the Kubernetes API does not answer"
    ready_since = {}
    for node in json.loads(listed.stdout)["items"]:
        for condition in node["status"]["conditions"]:
            if condition["type"] == "Ready" and condition["status"] == "True":
                ready_since[node["metadata"]["name"]] = condition["lastHeartbeatTime"]
    names = list_nodes()
    started = read_output("docker", "inspect", "--format", "{{.State.StartedAt}}", *names).split()
    unready = [
        name
        for name, start in zip(names, started, strict=True)
        if ready_since.get(name, "") < start[: len("2026-01-01T00:00:00")]
    ]
    return f"{', '.join(unready)} not ready" if unready else None


def check_port_is_free(address: str, port: int) -> None:
    """Check that a port can be bound.

    Raises:
        ClusterError: If something listens on the port.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise ClusterError(
                f"{address}:{port} cannot be used: {error.strerror}. "
                "Free it, or change that hostPort in k8s/kind.yaml."
            ) from error


def delete_cluster() -> None:
    """Delete the cluster with its volumes."""
    if cluster_exists():
        command = ("kind", "delete", "cluster", "--name", cluster_name())
        run(*command, timeout_seconds=CREATE_TIMEOUT_SECONDS)
        echo(f"cluster {cluster_name()}: deleted, with its volumes")
    else:
        echo(f"cluster {cluster_name()}: does not exist")
