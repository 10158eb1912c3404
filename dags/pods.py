"""The rows of the stage table as Airflow tasks, each a pod.

Airflow imports this module whenever it parses the DAGs. It therefore connects to nothing and
imports no stage.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.utils.pod_manager import PodPhase
from airflow.sdk import DAG, Asset, CronTriggerTimetable
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from dags.pod_spec import build_labels, build_pod, load_config
from pipeline.polling import poll_until
from pipeline.stages import EXIT_OK, EXIT_PERMANENT, EXIT_SKIPPED, Stage, Task, get_dag_tasks

STARTUP_TIMEOUT_SECONDS = 600  # a new node may have to boot and to pull the image
EXECUTION_TIMEOUT = timedelta(hours=2)  # of one try; a pod that hangs must not block later runs
POLL_INTERVAL_SECONDS = 0.25  # most stages run for a second or two
END_TIMEOUT_SECONDS = 10  # how long to poll for the end of a pod whose container has ended

SUMMARY = "summary"
"""Key of a stage's summary in XCom."""

RUN_ID = "{{ make_run_id(dag.dag_id, run_id, dag_run.run_after.strftime('%Y%m%dT%H%M%S')) }}"


def make_run_id(dag_id: str, dag_run_id: str, time: str) -> str:
    """Return the id of a DAG run in the lake and in MLflow.

    All tasks of a DAG run share it, and no other run has it. An id that a person chose stays
    readable (`training-first`). The ids that Airflow generates contain colons and plus signs,
    which object keys and labels do not allow, and are replaced by the time and a hash.

    Args:
        dag_id: Id of the DAG.
        dag_run_id: Airflow's id of the DAG run.
        time: When the run was due, as `20261123T080000`.
    """
    if re.fullmatch(r"[A-Za-z0-9._-]{1,60}", dag_run_id):
        return f"{dag_id}-{dag_run_id}"
    return f"{dag_id}-{time}-{hashlib.sha256(dag_run_id.encode()).hexdigest()[:8]}"


def get_timetable(dag_id: str) -> CronTriggerTimetable | None:
    """Return the schedule that the chart's values give a DAG, or None if they give none.

    The first run is the next tick of the schedule, not the one just missed.
    """
    cron = load_config()["schedules"][dag_id]
    return (
        CronTriggerTimetable(cron, timezone="UTC", run_immediately=timedelta(0)) if cron else None
    )


def create_dag(
    dag_id: str,
    doc: str | None,
    *,
    task_options: Mapping[str, Mapping[str, Any]] | None = None,
    before: Mapping[str, Callable[[], Any]] | None = None,
    macros: Mapping[str, Callable[..., Any]] | None = None,
    **options: Any,
) -> DAG:
    """Create a DAG with its tasks of the stage table.

    Args:
        dag_id: Id of the DAG, as in the stage table.
        doc: Description of the DAG, in Markdown.
        task_options: Further arguments of `create_task`, by the task's name.
        before: Functions that each create a task to run before a stage, by the stage's name.
        macros: Further functions for the templates of the tasks, by name.
        **options: Further arguments of Airflow's DAG.

    Returns:
        The DAG.
    """
    defaults: dict[str, Any] = {
        "doc_md": doc,
        "tags": ["student-mlops"],
        "catchup": False,
        "max_active_runs": 1,  # two runs would compete for the aliases and for the node
        "is_paused_upon_creation": False,  # a DAG that waits for an asset must not be paused
        "user_defined_macros": {"make_run_id": make_run_id, **(macros or {})},
    }
    rows = get_dag_tasks(dag_id)
    with DAG(dag_id, **(defaults | options)) as dag:
        tasks = {
            row.name: create_task(row, **(task_options or {}).get(row.name, {})) for row in rows
        }
        entries = tasks | {name: create() for name, create in (before or {}).items()}
        for row in rows:
            if entries[row.name] is not tasks[row.name]:
                entries[row.name] >> tasks[row.name]
            for upstream in row.after:
                tasks[upstream] >> entries[row.name]
    return dag


class StagePodOperator(KubernetesPodOperator):  # type: ignore[misc]  # Airflow has no types
    """KubernetesPodOperator that notices the end of a pod sooner and does not retry exit code 3."""

    def build_pod_request_obj(self, context: Any = None, *, dry_run: bool = False) -> Any:
        """Return the pod, with arguments that the kubelet passes on unchanged.

        The kubelet replaces `$(NAME)` in arguments by the variable NAME of the container, also by
        one from a Secret, and `$$` by `$`. People write parts of some arguments.
        """
        pod = super().build_pod_request_obj(context, dry_run=dry_run)
        for container in pod.spec.containers:
            container.args = [argument.replace("$", "$$") for argument in container.args or ()]
        return pod

    def await_pod_completion(self, pod: Any) -> None:
        """Wait until the pod has ended.

        The provider returns once the container has ended, and then polls the pod every two
        seconds. Most pods end right after their container, so poll faster for a short time first.
        """
        super().await_pod_completion(pod)
        poll_until(
            lambda: self.pod_manager.read_pod(pod).status.phase in PodPhase.terminal_states or None,
            timeout_seconds=END_TIMEOUT_SECONDS,
            interval_seconds=POLL_INTERVAL_SECONDS,
        )

    def cleanup(
        self, pod: Any, remote_pod: Any, xcom_result: Any = None, context: Any = None
    ) -> None:
        """Keep the pod's summary, delete the pod, and fail the task if the pod failed.

        Raises:
            AirflowFailException: If the stage exited with 3. Airflow does not retry the task.
            AirflowException: If the pod failed otherwise. Airflow retries the task.
        """
        if remote_pod and context and (summary := get_summary(remote_pod)):
            context["ti"].xcom_push(SUMMARY, summary)
        try:
            super().cleanup(pod, remote_pod, xcom_result, context)
        except AirflowSkipException:
            raise
        except AirflowException as error:
            if EXIT_PERMANENT in [state.exit_code for state in get_terminated(remote_pod)]:
                raise AirflowFailException(str(error)) from error
            raise


def get_terminated(pod: Any) -> list[Any]:
    """Return the final states of a pod's containers that have ended."""
    statuses = pod.status.container_statuses or ()
    return [status.state.terminated for status in statuses if status.state.terminated]


def get_summary(pod: Any) -> str | None:
    """Return the message that the container of a successful pod left, if there is one."""
    messages = [
        state.message
        for state in get_terminated(pod)
        if state.exit_code == EXIT_OK and state.message
    ]
    return messages[0] if messages else None


def create_task(row: Task, *, arguments: Sequence[str] = (), **options: Any) -> StagePodOperator:
    """Create a task of a DAG.

    Stages find each other's results in the lake, so the task pushes nothing to XCom but the
    summary of a stage that writes one, for people.

    Args:
        row: Stage or command of the stage table.
        arguments: Arguments of the command line, for a stage those after the run id. They may
            contain Airflow's templates.
        **options: Further arguments of KubernetesPodOperator.

    Returns:
        The operator that runs the task in a pod.
    """
    config = load_config()
    run_id = ("--run-id", RUN_ID) if isinstance(row, Stage) else ()
    return StagePodOperator(
        task_id=row.name,
        doc_md=f"{row.summary}\n\nReads: {row.reads}  \nWrites: {row.writes}",
        outlets=[Asset(row.emits)] if row.emits else [],
        namespace=config["namespace"],
        labels=build_labels(row, config),
        pod_template_dict=build_pod(row, [row.name, *run_id, *arguments], config),
        skip_on_exit_code=EXIT_SKIPPED,
        retry_delay=timedelta(seconds=10),
        retry_exponential_backoff=True,
        max_retry_delay=timedelta(minutes=5),
        execution_timeout=EXECUTION_TIMEOUT,
        kubernetes_conn_id=None,  # use the pod's service account without asking for a connection
        in_cluster=True,
        schedule_timeout_seconds=STARTUP_TIMEOUT_SECONDS,
        startup_timeout_seconds=STARTUP_TIMEOUT_SECONDS,
        startup_check_interval_seconds=POLL_INTERVAL_SECONDS,
        log_events_on_startup=False,
        log_events_on_failure=True,
        log_pod_spec_on_failure=False,
        termination_message_policy="FallbackToLogsOnError",  # the error shows the last log lines
        container_name_log_prefix_enabled=False,
        do_xcom_push=False,
        **({"retries": config["retries"]} | options),
    )
