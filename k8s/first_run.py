"""From data to a served model: upload a file, run the DAGs, ask for a prediction."""

from __future__ import annotations

import socket
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from k8s import access
from k8s.airflow import AirflowClient, DagRun, Task
from k8s.process import ClusterError, Progress, indent_tail
from k8s.release import describe_pods
from pipeline import stages
from pipeline.columns import PROBABILITY
from pipeline.commands.run import predict as predict_example
from pipeline.console import echo, format_decision
from pipeline.errors import PipelineError
from pipeline.http_client import open_client
from pipeline.settings.data import ORIGINAL_FILE
from pipeline.storage.layout import BRONZE_INBOX

RUN_TIMEOUT_SECONDS = 1800
START_TIMEOUT_SECONDS = 180
READY_TIMEOUT_SECONDS = 300
LOG_LINES = 20
FOLLOWED_DAGS = ("training", "deployment")
"""DAGs that `train` runs or waits for."""
REMOTE = ("gdrive:", "https://", "http://", "s3://", "sample")
DRIVE = ("drive.google.com", 443)


def choose_source(data: str | None) -> str:
    """Choose the data source of the stage `ingest`.

    Args:
        data: A path on this machine or a source; None for the original file, or for generated
            rows if Google Drive is unreachable.

    Returns:
        The source; for a path, the S3 URL in the inbox to which `upload` copies the file.

    Raises:
        ClusterError: If the file does not exist.
    """
    if data is None:
        if _drive_is_reachable():
            return ORIGINAL_FILE
        echo(
            "Google Drive, which has the original file, is unreachable: using generated rows",
            "yellow",
        )
        return "sample"
    if data.startswith(REMOTE):
        return data
    path = Path(data)
    if not path.is_file():
        raise ClusterError(
            f"{data} does not exist. Give a file or a source that begins with {', '.join(REMOTE)}."
        )
    return f"s3://{BRONZE_INBOX}/{path.name}"


def _drive_is_reachable() -> bool:
    try:
        socket.create_connection(DRIVE, timeout=5).close()
    except OSError:
        return False
    return True


def upload(path: str, url: str) -> None:
    """Copy a file into the object store.

    Args:
        path: A file on this machine.
        url: Its S3 URL, s3://BUCKET/KEY.

    Raises:
        ClusterError: If the object store does not accept it.
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    user, password = access.get_object_store_keys()
    client = boto3.client(
        "s3",
        endpoint_url=access.get_urls()["minio"],
        aws_access_key_id=user,
        aws_secret_access_key=password,
        region_name="us-east-1",
        config=Config(
            s3={"addressing_style": "path"}, connect_timeout=5, retries={"total_max_attempts": 5}
        ),
    )
    bucket, _, key = url.removeprefix("s3://").partition("/")
    try:
        client.upload_file(path, bucket, key)
    except (BotoCoreError, ClientError, OSError) as error:
        raise ClusterError(f"{path} could not be uploaded to {url}: {error}") from error
    echo(f"uploaded {path} to {url}")


def train(airflow: AirflowClient, source: str) -> None:
    """Run the DAG `training`, and wait for the deployment that follows it.

    Args:
        airflow: The platform's Airflow.
        source: The data source of the run.

    Raises:
        ClusterError: If a task failed. The message has the end of its log.
    """
    progress = Progress()
    progress.wait_for(
        "Airflow to read the DAGs",
        lambda: describe_unread(airflow.list_dag_ids()),
        timeout_seconds=START_TIMEOUT_SECONDS,
    )
    before = {run.run_id for run in airflow.list_runs("deployment")}
    run_id = f"up-{datetime.now(UTC):%Y%m%dT%H%M%S}"
    training = airflow.trigger("training", run_id, source=source)
    echo(f"training: run {run_id} on {source}")
    tasks = follow(airflow, training, progress)
    if tasks["register"].state == "skipped":
        _warn(airflow, training, "register", "the candidate was not registered")
        return

    def list_new() -> list[DagRun]:
        return [run for run in airflow.list_runs("deployment") if run.run_id not in before]

    progress.wait_for(
        "the deployment to start",
        lambda: None if list_new() else "not triggered yet",
        timeout_seconds=START_TIMEOUT_SECONDS,
    )
    deployment = list_new()[0]
    tasks = follow(airflow, deployment, progress)
    if tasks["validate"].state == "skipped":
        _warn(airflow, deployment, "validate", "the candidate was not promoted")


def describe_unread(dag_ids: Collection[str]) -> str | None:
    """Describe which of FOLLOWED_DAGS Airflow has not read yet; None if it has read all of them.

    Airflow reads the files of DAGs one after the other.

    Args:
        dag_ids: The DAGs that Airflow has read.
    """
    unread = [dag_id for dag_id in FOLLOWED_DAGS if dag_id not in dag_ids]
    return f"{', '.join(unread)} not read yet" if unread else None


def _warn(airflow: AirflowClient, run: DagRun, task_id: str, what: str) -> None:
    log = airflow.read_log(run.dag_id, run.run_id, task_id)
    echo(f"{run.dag_id}: {what}:\n{indent_tail(log, 5)}", "yellow")


def follow(airflow: AirflowClient, run: DagRun, progress: Progress) -> dict[str, Task]:
    """Wait until a run has ended, and report its tasks meanwhile.

    Args:
        airflow: The platform's Airflow.
        run: The run.
        progress: Where its tasks are reported.

    Returns:
        The tasks of the run, by task id.

    Raises:
        ClusterError: If a task failed. The message has the end of its log.
    """

    def get_missing() -> str | None:
        current = airflow.get_run(run.dag_id, run.run_id)
        if current is not None and current.has_ended:
            return None
        return describe_tasks(airflow.get_tasks(run.dag_id, run.run_id))

    progress.wait_for(run.dag_id, get_missing, timeout_seconds=RUN_TIMEOUT_SECONDS)
    tasks = airflow.get_tasks(run.dag_id, run.run_id)
    for name, task in tasks.items():
        if task.state == "failed":
            log = indent_tail(airflow.read_log(run.dag_id, run.run_id, name), LOG_LINES)
            raise ClusterError(
                f"{run.dag_id}: the task {name} failed. The end of its log:\n"
                f"{log}\n{describe_pods()}"
            )
    ended = ", ".join(f"{name} {tasks[name].state}" for name in sort_by_stage(tasks))
    progress.report(f"{run.dag_id}: {ended}")
    return tasks


def describe_tasks(tasks: Mapping[str, Task]) -> str:
    """How far a run is: the number of ended tasks and the first one that is not."""
    current = [name for name in sort_by_stage(tasks) if not tasks[name].has_ended]
    counts = f"{len(tasks) - len(current)} of {len(tasks)} tasks have ended"
    return f"{counts}, {current[0]} {tasks[current[0]].state or 'waiting'}" if current else counts


def sort_by_stage(tasks: Mapping[str, Task]) -> list[str]:
    """Return the task ids in the order of the stage table."""
    order = [stage.name for stage in stages.STAGES]
    return sorted(tasks, key=order.index)


def wait_until_ready(url: str) -> None:
    """Wait until the predictor has a model, or knows that none has been promoted yet.

    Raises:
        ClusterError: If it has not within READY_TIMEOUT_SECONDS.
    """

    def get_missing() -> str | None:
        try:
            response = httpx.get(f"{url}/readyz", timeout=10)
        except httpx.TransportError as error:
            return f"no answer ({error})"
        return None if response.is_success else response.text[:200]

    Progress().wait_for("the predictor", get_missing, timeout_seconds=READY_TIMEOUT_SECONDS)


def get_served_model(url: str) -> dict[str, Any] | None:
    """Return what the predictor's /model answers; None if it serves no model."""
    try:
        with open_client(10, api_key=access.get_predictor_key()) as client:
            response = client.get(f"{url}/model")
    except httpx.TransportError:
        return None
    return response.json() if response.is_success else None


def wait_for_model(url: str) -> None:
    """Wait until the predictor serves a model.

    Raises:
        ClusterError: If it does not within READY_TIMEOUT_SECONDS.
    """
    Progress().wait_for(
        "the predictor",
        lambda: None if get_served_model(url) else "no model yet",
        timeout_seconds=READY_TIMEOUT_SECONDS,
    )


def describe_prediction(url: str) -> str:
    """Request a prediction for the example row of the columns file, and describe the answer.

    Raises:
        ClusterError: If it does not answer.
    """
    try:
        example = predict_example(url, access.get_predictor_key())
    except PipelineError as error:
        raise ClusterError(f"{error}\n{describe_pods()}") from error
    row = ", ".join(f"{name} {value}" for name, value in example["row"].items())
    answer = example["answer"]
    (prediction,), model = answer["predictions"], answer["model"]
    probability, threshold = format_decision(prediction[PROBABILITY], answer["threshold"])
    return (
        f"prediction for {row}: {prediction['label']} "
        f"(probability {probability}, threshold {threshold}; "
        f"{model['name']}, version {model['version']})"
    )
