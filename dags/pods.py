"""A row of the stage table as an Airflow task: a pod of the stage's own image.

What the table does not say (images, resources, schedules) comes from the JSON file that PODS_FILE names, which the chart
renders from its values. Nothing else is read when Airflow parses the DAGs: no network, no database, no stage's code.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.utils.pod_manager import PodPhase
from airflow.sdk import DAG, Asset, CronTriggerTimetable
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from pipeline.stages import EXIT_PERMANENT, EXIT_SKIPPED, Stage, stages_of_dag

USER = 10001  # numeric, so that the kubelet can tell that it is not root
STARTUP = timedelta(minutes=10)  # a new node may have to boot and to pull the image first
LIMIT = timedelta(
    hours=2
)  # of one try of a stage: past it the pod is deleted, so that a hung one blocks no later run
LOOK = 0.25  # seconds between two looks at a pod that starts or ends: most stages take a second or two themselves

SOURCE_VARIABLE = "MLOPS_INGEST__SOURCE"


@cache
def pods() -> dict[str, Any]:
    """What the chart says of the stages' pods.

    Raises:
        KeyError, FileNotFoundError: PODS_FILE is not set or names no file; Airflow shows it as an import error.
    """
    loaded: dict[str, Any] = json.loads(Path(os.environ["PODS_FILE"]).read_text())
    return loaded


def run_id_of(dag_id: str, dag_run_id: str, at: str) -> str:
    """The run's name in the lake and in MLflow, the same for all tasks of a DAG run and for no other run.

    A name that somebody gave the run stays readable (`training-first`). Airflow's own names hold colons and plus signs,
    which object keys and labels do not take: they become the time `at` and a hash of the name.
    """
    if re.fullmatch(r"[A-Za-z0-9._-]{1,60}", dag_run_id):
        return f"{dag_id}-{dag_run_id}"
    return f"{dag_id}-{at}-{hashlib.sha256(dag_run_id.encode()).hexdigest()[:8]}"


RUN_ID = "{{ run_id_of(dag.dag_id, run_id, dag_run.run_after.strftime('%Y%m%dT%H%M%S')) }}"


def timetable_of(name: str) -> CronTriggerTimetable | None:
    """When the chart's values let a DAG run by itself; None for never. Its first run is the next tick, not one just missed."""
    cron = pods()["schedules"][name]
    return (
        CronTriggerTimetable(cron, timezone="UTC", run_immediately=timedelta(0)) if cron else None
    )


def dag_of(name: str, doc: str, **options: Any) -> DAG:
    """The DAG of the stage table's rows for `name`; `options` are DAG's own."""
    defaults: dict[str, Any] = {
        "doc_md": doc,
        "tags": ["student-mlops"],
        "catchup": False,
        "max_active_runs": 1,  # two runs would race for the aliases, and a pod of each for the node
        "is_paused_upon_creation": False,  # a chain joined by assets waits forever on a paused DAG
        "user_defined_macros": {"run_id_of": run_id_of},
    }
    with DAG(name, **(defaults | options)) as dag:
        tasks = {stage.name: task_of(stage) for stage in stages_of_dag(name)}
        for stage in stages_of_dag(name):
            for before in stage.after:
                tasks[before] >> tasks[stage.name]
    return dag


class StagePodOperator(KubernetesPodOperator):  # type: ignore[misc]  # Airflow publishes no types here
    """The operator, but prompt, and without hope where there is none.

    Of its own it looks for the end of a pod every two seconds, which most stages do not take, and tries again whatever failed.
    """

    def await_pod_completion(self, pod: Any) -> None:
        """Returns when the pod has ended, or a while after its container has: then the operator goes on waiting as it does."""
        super().await_pod_completion(pod)
        for _look in range(40):
            if self.pod_manager.read_pod(pod).status.phase in PodPhase.terminal_states:
                return
            time.sleep(LOOK)

    def cleanup(self, pod: Any, remote_pod: Any, *arguments: Any, **named: Any) -> None:
        """Deletes the pod and fails the task if the pod did; for good where the stage says that it would fail again."""
        try:
            super().cleanup(pod, remote_pod, *arguments, **named)
        except AirflowSkipException:
            raise
        except AirflowException as error:
            ended = [
                status.state.terminated for status in (remote_pod.status.container_statuses or ())
            ]
            if EXIT_PERMANENT in [state.exit_code for state in ended if state]:
                raise AirflowFailException(str(error)) from error
            raise


def task_of(stage: Stage) -> StagePodOperator:
    """The task of one stage. It pushes no results: stages find each other's by the run's id in the lake."""
    given = pods()
    return StagePodOperator(
        task_id=stage.name,
        doc_md=f"{stage.summary}\n\nReads: {stage.reads}  \nWrites: {stage.writes}",
        outlets=[Asset(stage.emits)] if stage.emits else [],
        namespace=given["namespace"],
        labels={
            **given["labels"],
            **given["stages"][stage.name].get("labels", {}),
            "app.kubernetes.io/component": "stage",
            "student-mlops/stage": stage.name,
        },
        pod_template_dict=pod_of(stage, given),
        pre_execute=take_source if stage.name == "ingest" else None,
        skip_on_exit_code=EXIT_SKIPPED,
        retries=given["retries"],
        retry_delay=timedelta(seconds=10),
        retry_exponential_backoff=True,
        max_retry_delay=timedelta(minutes=5),
        execution_timeout=LIMIT,
        kubernetes_conn_id=None,  # the pod's own service account, without asking Airflow for a connection first
        in_cluster=True,
        schedule_timeout_seconds=int(STARTUP.total_seconds()),
        startup_timeout_seconds=int(STARTUP.total_seconds()),
        startup_check_interval_seconds=LOOK,
        log_events_on_startup=False,
        log_events_on_failure=True,
        log_pod_spec_on_failure=False,
        termination_message_policy="FallbackToLogsOnError",  # the stage's last lines become the task's error
        container_name_log_prefix_enabled=False,
        do_xcom_push=False,
    )


def pod_of(stage: Stage, given: dict[str, Any]) -> dict[str, Any]:
    """The stage's pod as Kubernetes writes it; it passes the `restricted` pod security standard."""
    own = given["stages"][stage.name]
    container = {
        "name": "base",
        "image": own["image"],
        "imagePullPolicy": given["image_pull_policy"],
        "args": [stage.name, "--run-id", RUN_ID],
        "env": [{"name": "MLOPS_IMAGE", "value": own["image"]}, {"name": "HOME", "value": "/tmp"}],  # noqa: S108 - the emptyDir
        "envFrom": [
            *({"configMapRef": {"name": name}} for name in given["env_from"]["config_maps"]),
            *({"secretRef": {"name": name}} for name in given["env_from"]["secrets"]),
        ],
        "resources": own["resources"],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - the emptyDir
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "spec": {
            "serviceAccountName": given["service_account"],
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            **given["scheduling"],
            "imagePullSecrets": [{"name": name} for name in given["image_pull_secrets"]],
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": [{"name": "tmp", "emptyDir": {}}],
        },
    }


def take_source(context: Any) -> None:
    """Lets a run's own `source` go before the settings' for this run."""
    if source := context["params"].get("source"):
        context["task"].env_vars = {SOURCE_VARIABLE: source}
