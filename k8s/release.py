"""The Helm release on the kind cluster: install it, and report what is wrong with its pods."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import Any

import yaml

from k8s.cluster import NAMESPACE, cluster_exists, context, get_objects, kubectl
from k8s.process import ROOT, ClusterError, Progress, indent_tail, run

CHART = ROOT / "charts" / "student-mlops"
VALUES = CHART / "values-kind.yaml"
RELEASE = "student-mlops"
SOURCE_SETTING = "MLOPS_INGEST__SOURCE"

INSTALL_TIMEOUT_SECONDS = 900
REPORT_INTERVAL_SECONDS = 3
LOG_LINES = 15


def list_prebuilt_images() -> list[str]:
    """Return the chart's images that skaffold.yaml does not build and the local Docker has.

    They are loaded into the nodes, which saves a download.
    """
    images = yaml.safe_load((CHART / "values.yaml").read_text())["images"].values()
    references = [
        f"{image['repository'].removeprefix('library/')}:{image['tag']}"
        for image in images
        if "tag" in image
    ]
    return [
        reference
        for reference in references
        if run("docker", "image", "inspect", reference, check=False).returncode == 0
    ]


def get_source() -> str | None:
    """Return the data source of the installed release; None if it is not installed or has none."""
    for item in get_objects("configmaps") if cluster_exists() else []:
        if item["metadata"]["name"] == f"{RELEASE}-settings":
            source: str | None = item["data"].get(SOURCE_SETTING)
            return source
    return None


def get_columns() -> str:
    """Return the text of the installed release's columns file; empty if it has none."""
    for item in get_objects("configmaps") if cluster_exists() else []:
        if item["metadata"]["name"] == f"{RELEASE}-columns":
            text: str = item["data"]["columns.yaml"]
            return text
    return ""


def install(
    tags: Mapping[str, str],
    source: str,
    columns: str = "",
    values: Mapping[str, Any] | None = None,
) -> None:
    """Install metrics-server, the namespace and the chart, and wait until every pod is ready.

    Args:
        tags: The images' tags, by their key in the chart's `images`.
        source: The data source of the stage `ingest`.
        columns: Text of the columns file; empty for the survey's.
        values: Further values of the chart, which override those of values-kind.yaml.

    Raises:
        ClusterError: If Helm failed or timed out. The message describes each pod that is not ready.
    """
    kubectl("apply", "--filename", ROOT / "k8s" / "metrics-server.yaml")
    kubectl("apply", "--filename", ROOT / "k8s" / "namespace.yaml")
    sets = [f"--set-string=images.{name}.tag={tag}" for name, tag in tags.items()]
    sets.append(f"--set-string=settings.{SOURCE_SETTING}=" + source.replace(",", r"\,"))
    command = ["helm", "upgrade", "--install", RELEASE, str(CHART), "--values", str(VALUES), *sets]
    command += ["--kube-context", context(), "--namespace", NAMESPACE]
    command += ["--wait", "--wait-for-jobs", f"--timeout={INSTALL_TIMEOUT_SECONDS}s", "--values=-"]
    progress = Progress()
    helm = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        output = None
        given: str | None = json.dumps({**(values or {}), "columns": columns})
        while output is None:
            try:
                output, _ = helm.communicate(given, timeout=REPORT_INTERVAL_SECONDS)
            except subprocess.TimeoutExpired:
                given = None
                if unready := [f"{get_name(pod)} ({why})" for pod, why in list_unready_pods()]:
                    progress.report(f"waiting for {', '.join(unready)}")
    finally:
        if helm.poll() is None:
            helm.terminate()
            helm.wait(timeout=30)
    if helm.returncode != 0:
        raise ClusterError(f"helm upgrade failed:\n{indent_tail(output)}\n{describe_pods()}")
    progress.report("every pod is ready")


def get_name(pod: dict[str, Any]) -> str:
    return str(pod["metadata"]["name"])


def list_unready_pods() -> list[tuple[dict[str, Any], str]]:
    """Return the pods that should be ready and are not, each with the reason."""
    unready = []
    for pod in get_objects("pods"):
        status = pod["status"]
        conditions = {item["type"]: item for item in status.get("conditions", ())}
        if (
            status["phase"] != "Succeeded"
            and "deletionTimestamp" not in pod["metadata"]
            and conditions.get("Ready", {}).get("status") != "True"
        ):
            unready.append((pod, explain_unready(status, conditions)))
    return unready


def explain_unready(status: dict[str, Any], conditions: dict[str, Any]) -> str:
    """Why a pod is not ready, in Kubernetes' words.

    Args:
        status: The pod's `status`.
        conditions: Its conditions, by type.

    Returns:
        The state of the first container that is not well, else why the pod is not scheduled.
    """
    for container in get_container_statuses(status):
        name, state = container["name"], container["state"]
        reason = state.get("waiting", {}).get("reason", "PodInitializing")
        if reason not in ("PodInitializing", "ContainerCreating"):
            return f"{name}: {reason}"
        if exit_code := state.get("terminated", {}).get("exitCode"):
            return f"{name}: exit code {exit_code}"
        if "running" in state and not container["ready"]:
            return f"{name} starting"
    scheduled = conditions.get("PodScheduled", {})
    unscheduled = scheduled.get("message") if scheduled.get("status") == "False" else None
    return str(unscheduled or "starting")


def get_container_statuses(status: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the statuses of a pod's containers, init containers first."""
    return [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]


def describe_pods() -> str:
    """Describe each pod that is not ready, with its last event and the end of its logs."""
    lines = []
    for pod, why in list_unready_pods():
        name = get_name(pod)
        lines.append(f"pod {name}: {why}")
        selector = f"--field-selector=involvedObject.name={name}"
        if events := get_objects("events", selector, "--sort-by=.lastTimestamp"):
            last = events[-1]
            lines.append(f"  last event: {last['reason']}: {last.get('message', '').strip()}")
        for container in get_container_statuses(pod["status"]):
            if log := _read_end_of_log(name, container):
                lines += [f"  last lines of {container['name']}:", indent_tail(log)]
    return "\n".join(lines) or "every pod is ready"


def _read_end_of_log(pod: str, container: dict[str, Any]) -> str:
    """Return the end of a container's log, or of the log before its crash; empty if it is well."""
    state = container["state"]
    if container["ready"] or state.get("terminated", {}).get("exitCode") == 0:
        return ""
    command = ["--namespace", NAMESPACE, "logs", pod, "--container", container["name"]]
    if container["restartCount"] and "running" not in state:
        command.append("--previous")
    return kubectl(*command, f"--tail={LOG_LINES}", check=False).strip()
