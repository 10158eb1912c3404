"""Tasks of the DAGs, in an environment with Airflow."""

from __future__ import annotations

import importlib
from typing import Any

from pipeline.stages import DAGS, get_dag_tasks


def get_task(name: str) -> Any:
    """Return the task of a stage or command, as its DAG defines it."""
    (dag,) = (dag for dag in DAGS for row in get_dag_tasks(dag) if row.name == name)
    return importlib.import_module(f"dags.{dag}").dag.get_task(name)


def get_manifest(task: Any) -> dict[str, Any]:
    """Return the pod of a task as it goes to the API server."""
    from kubernetes.client import ApiClient

    pod = task.build_pod_request_obj(dry_run=True)
    manifest: dict[str, Any] = ApiClient().sanitize_for_serialization(pod)
    return manifest
