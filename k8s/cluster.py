"""The kind cluster, and what Helm puts on it."""

from __future__ import annotations

import json
import socket
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from k8s.process import ROOT, ClusterError, Progress, lines_of, output, run, tail
from pipeline.console import echo

CONFIG = ROOT / "k8s" / "kind.yaml"
CHART = ROOT / "charts" / "student-mlops"
VALUES = CHART / "values-kind.yaml"
RELEASE = NAMESPACE = "student-mlops"
SOURCE = "MLOPS_INGEST__SOURCE"
FROM_SOURCE = ROOT / "contrib" / "kind-from-source" / "build"

CREATE_SECONDS = 600
COMPILE_SECONDS = 3600
INSTALL_SECONDS = 900
READY_SECONDS = 300


@cache
def config() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(CONFIG.read_text())
    return loaded


def context() -> str:
    return f"kind-{config()['name']}"


def kubectl(*arguments: str | Path, check: bool = True, timeout: float = 120) -> str:
    return run("kubectl", "--context", context(), *arguments, check=check, timeout=timeout).stdout


def get(*arguments: str) -> list[dict[str, Any]]:
    """Objects of our namespace."""
    found: list[dict[str, Any]] = json.loads(
        kubectl("--namespace", NAMESPACE, "get", "--output=json", *arguments)
    )["items"]
    return found


def check_tools() -> None:
    """Raises: ClusterError: a program is missing, or Docker's daemon does not answer."""
    for program in ("docker", "kind", "kubectl", "helm"):
        run(program, "version" if program != "docker" else "--version", check=False)
    if run("docker", "info", check=False).returncode != 0:
        raise ClusterError(
            "Docker's daemon does not answer; start it (on Debian as root, `make tools` does)"
        )


def registry_is_reachable() -> bool:
    """Whether Docker Hub answers; it does so to strangers with 401."""
    try:
        with urllib.request.urlopen("https://registry-1.docker.io/v2/", timeout=5):
            return True
    except urllib.error.HTTPError as answer:
        return answer.code == 401
    except OSError:
        return False


def exists() -> bool:
    return config()["name"] in run("kind", "get", "clusters").stdout.split()


def nodes() -> list[str]:
    return output("kind", "get", "nodes", "--name", config()["name"]).split()


def create(from_source: bool, count: int = 1) -> None:
    """The cluster of k8s/kind.yaml with `count` nodes, unless there is one; a stopped one is started.

    Raises:
        ClusterError: a port is taken, or kind failed.
    """
    image = []
    if from_source:
        echo(
            "no container registry can be reached: base images and the node's are made from packages (contrib/kind-from-source)"
        )
        image = [f"--image={lines_of(run(FROM_SOURCE, timeout=COMPILE_SECONDS).stdout)[-1]}"]
    if exists():
        stopped = set(nodes()) - set(output("docker", "ps", "--format", "{{.Names}}").split())
        for node in stopped:
            run("docker", "start", node)
        echo(f"cluster {config()['name']}: {'started again' if stopped else 'as it was'}")
    else:
        for mapping in config()["nodes"][0]["extraPortMappings"]:
            refuse_if_taken(mapping["listenAddress"], mapping["hostPort"])
        echo(f"cluster {config()['name']}: creating it")
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            workers = [{"role": "worker"}] * (count - 1)
            yaml.safe_dump(config() | {"nodes": [*config()["nodes"], *workers]}, file)
            file.flush()
            run(
                "kind",
                "create",
                "cluster",
                "--config",
                file.name,
                "--wait=180s",
                *image,
                timeout=CREATE_SECONDS,
            )
        if (
            count > 1
        ):  # beside workers kind keeps the first node for itself; here every node takes pods
            kubectl(
                "taint", "nodes", "--all", "node-role.kubernetes.io/control-plane-", check=False
            )
    if run("kubectl", "config", "get-contexts", context(), check=False).returncode != 0:
        run("kind", "export", "kubeconfig", "--name", config()["name"])
    Progress().wait(
        "the Kubernetes API", lambda: None if _api_is_ready() else "no answer", READY_SECONDS
    )


def _api_is_ready() -> bool:
    return (
        run("kubectl", "--context", context(), "get", "--raw=/readyz", check=False).returncode == 0
    )


def refuse_if_taken(address: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise ClusterError(
                f"{address}:{port} cannot be used: {error.strerror}; change that hostPort in k8s/kind.yaml, or free it"
            ) from error


def own_images() -> list[str]:
    """Images of the chart that skaffold.yaml does not build and that the local Docker has: they need no download."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())["images"]
    references = [
        f"{image['repository']}:{image['tag']}" for image in values.values() if "tag" in image
    ]
    return [
        name
        for name in (reference.removeprefix("library/") for reference in references)
        if _is_local(name)
    ]


def _is_local(reference: str) -> bool:
    return run("docker", "image", "inspect", reference, check=False).returncode == 0


def source() -> str | None:
    """The data source of the release, if there is one."""
    for item in get("configmaps") if exists() else []:
        if item["metadata"]["name"] == f"{RELEASE}-settings":
            return str(item["data"][SOURCE]) if SOURCE in item["data"] else None
    return None


def install(tags: Mapping[str, str], source: str) -> None:
    """metrics-server, the namespace and the chart with these images and data source; returns when every pod is ready.

    Raises:
        ClusterError: with what is wrong with each pod that is not.
    """
    kubectl("apply", "--filename", ROOT / "k8s" / "metrics-server.yaml")
    kubectl("apply", "--filename", ROOT / "k8s" / "namespace.yaml")
    sets = [f"--set-string=images.{name}.tag={tag}" for name, tag in tags.items()]
    sets.append(f"--set-string=settings.{SOURCE}=" + source.replace(",", r"\,"))
    command = [
        "helm",
        "upgrade",
        "--install",
        RELEASE,
        str(CHART),
        "--kube-context",
        context(),
        "--namespace",
        NAMESPACE,
    ]
    command += ["--values", str(VALUES), *sets, "--wait", f"--timeout={INSTALL_SECONDS}s"]
    progress = Progress()
    helm = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        while True:
            try:
                said, _ = helm.communicate(timeout=3)
                break
            except subprocess.TimeoutExpired:
                waiting = [f"{pod['metadata']['name']} ({why})" for pod, why in unready_pods()]
                if waiting:
                    progress.say(f"waiting for {', '.join(waiting)}")
    finally:
        if helm.poll() is None:
            helm.terminate()
            helm.wait(timeout=30)
    if helm.returncode != 0:
        raise ClusterError(f"helm upgrade failed:\n{tail(said)}\n{report()}")
    progress.say("every pod is ready")


def unready_pods() -> list[tuple[dict[str, Any], str]]:
    """Pods that neither ended well nor are ready, each with why not."""
    found = []
    for pod in get("pods"):
        status = pod["status"]
        if status["phase"] == "Succeeded" or pod["metadata"].get("deletionTimestamp"):
            continue
        conditions = {item["type"]: item for item in status.get("conditions", ())}
        if conditions.get("Ready", {}).get("status") == "True":
            continue
        found.append((pod, _why(status, conditions)))
    return found


def _why(status: dict[str, Any], conditions: dict[str, Any]) -> str:
    """The state of the first container that is not well, else what the pod as a whole waits for."""
    for container in (
        *status.get("initContainerStatuses", ()),
        *status.get("containerStatuses", ()),
    ):
        state = container["state"]
        if "waiting" in state and state["waiting"]["reason"] not in (
            "PodInitializing",
            "ContainerCreating",
        ):
            return f"{container['name']}: {state['waiting']['reason']}"
        if state.get("terminated", {}).get("exitCode", 0) != 0:
            return f"{container['name']}: exit code {state['terminated']['exitCode']}"
        if "running" in state and not container["ready"]:
            return f"{container['name']} starting"
    scheduled = conditions.get("PodScheduled", {})
    return (
        str(scheduled.get("message") or "starting")
        if scheduled.get("status") == "False"
        else "starting"
    )


def report() -> str:
    """What is wrong: each pod that is not ready, with its last event and its containers' last lines."""
    lines = []
    for pod, why in unready_pods():
        name = pod["metadata"]["name"]
        lines.append(f"pod {name}: {why}")
        events = get(
            "events", f"--field-selector=involvedObject.name={name}", "--sort-by=.lastTimestamp"
        )
        if events:
            lines.append(
                f"  last event: {events[-1]['reason']}: {events[-1].get('message', '').strip()}"
            )
        statuses = pod["status"].get("initContainerStatuses", []) + pod["status"].get(
            "containerStatuses", []
        )
        for container in statuses:
            if container["ready"] or container["state"].get("terminated", {}).get("exitCode") == 0:
                continue
            previous = (
                ["--previous"]
                if container["restartCount"] and "running" not in container["state"]
                else []
            )
            words = (
                "--namespace",
                NAMESPACE,
                "logs",
                name,
                "--container",
                container["name"],
                "--tail=15",
                *previous,
            )
            if log := kubectl(*words, check=False).strip():
                lines += [f"  last lines of {container['name']}:", tail(log)]
    return "\n".join(lines) or "every pod is ready"


def delete() -> None:
    """The cluster with all that is in it; its volumes lie in it too."""
    if exists():
        run("kind", "delete", "cluster", "--name", config()["name"], timeout=CREATE_SECONDS)
        echo(f"cluster {config()['name']}: deleted, with its volumes")
    else:
        echo(f"cluster {config()['name']}: there is none")
