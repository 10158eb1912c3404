"""From data to a served model, as a user of the platform: put a file into the lake, start the DAG, wait, predict."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from k8s import access
from k8s.airflow import ENDED, Airflow, Run
from k8s.cluster import report
from k8s.process import ClusterError, Progress, tail
from pipeline import stages
from pipeline.commands.run import predict as example_prediction
from pipeline.console import echo
from pipeline.settings import ORIGINAL_FILE

DAG_SECONDS = 1800
START_SECONDS = 180
LOG_LINES = 20
INBOX = "bronze/inbox"
REMOTE = ("gdrive:", "https://", "http://", "s3://", "sample")


def source_of(data: str | None) -> str:
    """What the stage `ingest` fetches, now and whenever nobody tells it anything else; for a path, its place in the inbox.

    Raises:
        ClusterError: there is no such file.
    """
    if data is None:
        if _drive_answers():
            return ORIGINAL_FILE
        echo(
            "Google Drive, where the original file lies, cannot be reached: generated rows take its place (DATA=sample)",
            "yellow",
        )
        return "sample"
    if data.startswith(REMOTE):
        return data
    path = Path(data)
    if not path.is_file():
        raise ClusterError(f"{data} is no file, and no source such as {', '.join(REMOTE)}")
    return f"s3://{INBOX}/{path.name}"


def upload(path: str, source: str) -> None:
    """Puts a file into the bronze bucket's inbox, as the S3 URL `source`.

    Raises:
        ClusterError: the object store does not take it.
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    user, password = access.object_store_keys()
    client = boto3.client(
        "s3",
        endpoint_url=access.urls()["minio"],
        aws_access_key_id=user,
        aws_secret_access_key=password,
        region_name="us-east-1",
        config=Config(
            s3={"addressing_style": "path"}, connect_timeout=5, retries={"total_max_attempts": 5}
        ),
    )
    bucket, _, key = source.removeprefix("s3://").partition("/")
    try:
        client.upload_file(path, bucket, key)
    except (BotoCoreError, ClientError, OSError) as error:
        raise ClusterError(f"{path} cannot be put into the object store: {error}") from error
    echo(f"{path} is now {source}")


def _drive_answers() -> bool:
    try:
        socket.create_connection(("drive.google.com", 443), timeout=5).close()
    except OSError:
        return False
    return True


def train(airflow: Airflow, source: str) -> None:
    """Runs the DAG `training` and the deployment that follows; returns when both have ended well.

    Raises:
        ClusterError: a task failed, with the end of its log; or nothing was registered and no model serves.
    """
    progress = Progress()
    progress.wait(
        "Airflow to read the DAGs",
        lambda: None if airflow.knows("training") else "training is not there",
        START_SECONDS,
    )
    before = {run.id for run in airflow.runs("deployment")}
    run = airflow.trigger("training", f"up-{datetime.now(UTC):%Y%m%dT%H%M%S}", {"source": source})
    echo(f"training: run {run.id} on {source}")
    tasks = follow(airflow, run, progress)
    if tasks["register"]["state"] == "skipped":
        echo("training: the candidate was not registered:", "yellow")
        echo(tail("\n".join(_said(airflow, run, tasks["register"])), 5), "yellow")
        return
    progress.wait(
        "the deployment to start",
        lambda: None if _new(airflow, before) else "not triggered by the candidate yet",
        START_SECONDS,
    )
    deployment = _new(airflow, before)[0]
    tasks = follow(airflow, deployment, progress)
    if tasks["validate"]["state"] == "skipped":
        echo("deployment: the candidate was not promoted:", "yellow")
        echo(tail("\n".join(_said(airflow, deployment, tasks["validate"])), 5), "yellow")


def _new(airflow: Airflow, before: set[str]) -> list[Run]:
    return [run for run in airflow.runs("deployment") if run.id not in before]


def follow(airflow: Airflow, run: Run, progress: Progress) -> dict[str, dict[str, Any]]:
    """Waits for the end of a run, saying which task it is at; its tasks.

    Raises:
        ClusterError: a task failed, with the end of its log.
    """

    def at() -> str | None:
        if airflow.run(run.dag, run.id).state in ("success", "failed"):
            return None
        tasks = airflow.tasks(run)
        current = [
            f"{name} ({task['state'] or 'waiting'})"
            for name, task in tasks.items()
            if task["state"] not in ENDED
        ]
        done = sum(task["state"] in ENDED for task in tasks.values())
        return f"{done} of {len(tasks)} tasks done, at {', '.join(_order(current)[:1])}"

    progress.wait(run.dag, at, DAG_SECONDS)
    tasks = airflow.tasks(run)
    for name, task in tasks.items():
        if task["state"] == "failed":
            said = tail("\n".join(_said(airflow, run, task)), LOG_LINES)
            raise ClusterError(
                f"{run.dag}: the task {name} failed; the end of its log:\n{said}\n{report()}"
            )
    progress.say(
        f"{run.dag}: " + ", ".join(f"{name} {tasks[name]['state']}" for name in _order(list(tasks)))
    )
    return tasks


def _order(names: list[str]) -> list[str]:
    """In the stage table's order."""
    table = [stage.name for stage in stages.STAGES]
    return sorted(names, key=lambda name: table.index(name.partition(" ")[0]))


def _said(airflow: Airflow, run: Run, task: dict[str, Any]) -> list[str]:
    return airflow.log(run, task["task_id"], max(task["try_number"], 1))


def served(url: str) -> dict[str, Any] | None:
    """What the predictor serves; None if it serves nothing yet."""
    try:
        with urllib.request.urlopen(f"{url}/model", timeout=10) as answer:
            model: dict[str, Any] = json.load(answer)
            return model
    except (urllib.error.HTTPError, OSError):
        return None


def predict(url: str) -> str:
    """A sentence on what the predictor says of the data dictionary's example student.

    Raises:
        ClusterError: it says nothing.
    """
    try:
        said = example_prediction(url)
    except OSError as error:
        raise ClusterError(
            f"the predictor at {url} gives no prediction: {error}\n{report()}"
        ) from error
    student = ", ".join(f"{name} {value}" for name, value in said["student"].items())
    (first,), model = said["answer"]["predictions"], said["answer"]["model"]
    return (
        f"prediction for a student with {student}: {first['label']} (fail probability {first['fail_probability']:.2f}, "
        f"called at risk from {said['answer']['threshold']:.2f}; {model['name']}, version {model['version']})"
    )
