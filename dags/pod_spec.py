"""The pod of a task, as plain data.

The stage table defines the tasks. The images, resources, labels and Secrets come from the JSON
file that PODS_FILE names, which the chart renders from its values. This module imports no Airflow,
so that the chart's tests can build the pods that its values lead to.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.stages import Task

USER_ID = 10001  # numeric, so that the kubelet can verify that it is not root
SECRETS_MODE = 0o440  # for the group of the pod, `fsGroup`


@cache
def load_config() -> dict[str, Any]:
    """Read what the chart renders for the stages' pods.

    Raises:
        KeyError: If PODS_FILE is not set. Airflow shows it as an import error of the DAG.
        FileNotFoundError: If PODS_FILE names no file. Airflow shows it as an import error, too.
    """
    config: dict[str, Any] = json.loads(Path(os.environ["PODS_FILE"]).read_text())
    return config


def get_access(task: Task, config: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the labels, Secrets and ConfigMaps of what a task uses beyond common services."""
    used = {
        "internet": task.internet,
        "predictor": task.calls_predictor,
        "pseudonyms": task.reads_keys,
        f"mlflow-{task.mlflow_user}": task.mlflow_user is not None,
        "workers": bool(task.tasks),
    }
    return [config["access"][name] for name, is_used in used.items() if is_used]


def get_secrets(task: Task, config: dict[str, Any]) -> list[str]:
    """Return the names of the Secrets whose keys are variables of a task."""
    names = [*config["stages"][task.name]["secrets"]]
    for access in get_access(task, config):
        names += access["secrets"]
    return names


def build_labels(task: Task, config: dict[str, Any]) -> dict[str, str]:
    """Return the labels of a task's pod. The chart's network policies select on them."""
    labels: dict[str, str] = {**config["labels"], "student-mlops/stage": task.name}
    for access in get_access(task, config):
        labels |= access["labels"]
    return labels


def build_pod(task: Task, arguments: Sequence[str], config: dict[str, Any]) -> dict[str, Any]:
    """Return the pod of a task as a Kubernetes manifest.

    The pod passes the `restricted` pod security standard.

    Args:
        task: The task that the pod runs.
        arguments: Arguments of the pipeline's command line.
        config: The result of `load_config`.

    Returns:
        The manifest, with one container.
    """
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "spec": {
            "serviceAccountName": config["stages"][task.name]["service_account"],
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            **config["scheduling"],
            "imagePullSecrets": [{"name": name} for name in config["image_pull_secrets"]],
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER_ID,
                "runAsGroup": USER_ID,
                "fsGroup": USER_ID,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [_build_container(task, arguments, config)],
            "volumes": [volume for volume, _ in _get_volumes(task, config)],
        },
    }


def _get_volumes(task: Task, config: dict[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Volumes of a task's pod, each with its mount: only those that the release and task have."""
    scratch = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108 - the emptyDir
    volumes: list[tuple[dict[str, Any], dict[str, Any]]]
    volumes = [({"name": "tmp", "emptyDir": {}}, scratch)]
    for name in ("columns", "ca"):
        mounted = config[name]
        if mounted["config_map"]:
            volume = {"name": name, "configMap": {"name": mounted["config_map"]}}
            mount = {"name": name, "mountPath": mounted["folder"], "readOnly": True}
            volumes.append((volume, mount))
    if secrets := get_secrets(task, config):
        sources = [{"secret": {"name": name}} for name in secrets]
        projected = {"defaultMode": SECRETS_MODE, "sources": sources}
        mount = {"name": "secrets", "mountPath": config["secrets_folder"], "readOnly": True}
        volumes.append(({"name": "secrets", "projected": projected}, mount))
    certificate = config["access"]["workers"]["certificate"]
    if task.tasks and certificate:
        volume = {"name": "dask", "secret": {"secretName": certificate["secret"]}}
        mount = {"name": "dask", "mountPath": certificate["folder"], "readOnly": True}
        volumes.append((volume, mount))
    return volumes


def _build_container(
    task: Task, arguments: Sequence[str], config: dict[str, Any]
) -> dict[str, Any]:
    own = config["stages"][task.name]
    config_maps = [*config["config_maps"]]
    variables: dict[str, str] = {}
    if get_secrets(task, config):  # pipeline/secret_files.py reads them
        variables["MLOPS_SECRETS_FOLDER"] = config["secrets_folder"]
    for access in get_access(task, config):
        config_maps += access.get("config_maps", ())
        variables |= access.get("variables", {})
    return {
        "name": "base",
        "image": own["image"],
        "imagePullPolicy": config["image_pull_policy"],
        "args": list(arguments),
        "env": [
            {"name": "MLOPS_IMAGE", "value": own["image"]},
            {"name": "HOME", "value": "/tmp"},  # noqa: S108 - the emptyDir
            *({"name": name, "value": value} for name, value in variables.items()),
        ],
        "envFrom": [{"configMapRef": {"name": name}} for name in config_maps],
        "resources": own["resources"],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [mount for _, mount in _get_volumes(task, config)],
    }
