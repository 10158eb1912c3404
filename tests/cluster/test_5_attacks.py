"""Attacks by people and pods that may use a part of the platform.

Each ends in a refusal and in a line of a log. tests/cluster/test_5_identities.py tries the object
store with every key, and tests/serving/test_attacks.py a predictor with keys and sessions.
"""

from __future__ import annotations

import base64
import csv
import io
import re
import socket
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from k8s.airflow import DagRun
from k8s.process import ClusterError
from k8s.release import RELEASE
from pipeline.tracking.registry import PRODUCTION
from tests.cluster.airflow_runs import make_run_id, wait_for_run
from tests.cluster.cluster import wait_for
from tests.cluster.platform import STUDENT, Platform
from tests.support.minio_clients import is_allowed, make_client

pytestmark = pytest.mark.full

NAMES = ("AWS_ACCESS_KEY_ID", "MLFLOW_TRACKING_USERNAME")
"""Keys of Secrets with names of users, which may be in a log."""
MIN_SECRET_LENGTH = 12
"""Shorter values of Secrets may be in a log by chance."""


def list_secrets(platform: Platform) -> set[str]:
    """Return every value in the namespace's Secrets that nobody may read in a log."""
    items: list[dict[str, Any]] = platform.cluster.get("secrets")["items"]
    values = {
        base64.b64decode(value).decode(errors="replace")
        for item in items
        if not item["type"].startswith("helm.sh/")
        for key, value in item.get("data", {}).items()
        if key not in NAMES
    }
    return {value for value in values if len(value) >= MIN_SECRET_LENGTH}


def has_line(platform: Platform, component: str, pattern: str) -> bool:
    """Whether a pod of a component has logged a line in which the pattern is found."""
    selector = f"app.kubernetes.io/component={component}"
    logs = platform.cluster.kubectl("logs", "-l", selector, "--all-containers", "--tail=-1")
    return re.search(pattern, logs) is not None


def wait_for_line(platform: Platform, component: str, pattern: str) -> None:
    """Wait until a pod of a component has logged a line in which the pattern is found."""

    def find() -> bool:
        return has_line(platform, component, pattern)

    wait_for(f"line {pattern!r} of {component}", find, timeout_seconds=60)


@pytest.mark.parametrize("source", ["/proc/self/environ", "file:///etc/passwd", "../x.csv"])
def test_a_run_cannot_read_a_file_of_its_pod(
    platform: Platform, first: DagRun, source: str
) -> None:
    """Airflow refuses the parameter, starts no run, and logs the request."""
    run_id = make_run_id("attack")
    with pytest.raises(ClusterError, match=r"with 4\d\d"):
        platform.airflow.trigger("training", run_id, source=source)
    assert platform.airflow.get_run("training", run_id) is None
    line = r"method=POST path=/api/v2/dags/training/dagRuns query= status_code=4(00|22)"
    wait_for_line(platform, "airflow-api-server", line)


@pytest.mark.parametrize(
    "source",
    [
        f"http://{RELEASE}-minio:9000/minio/health/live",
        "https://kubernetes.default.svc/version",
        "http://169.254.169.254/latest/meta-data/",
    ],
    ids=["object store", "kubernetes", "metadata"],
)
def test_a_run_cannot_read_a_server_of_the_cluster(
    platform: Platform, first: DagRun, source: str
) -> None:
    """`ingest` fails for good; its log has the reason, and none of the pod's keys."""
    airflow, run_id = platform.airflow, make_run_id("attack")
    before = set(platform.lake.keys("bronze/"))
    airflow.trigger("training", run_id, source=source)
    assert wait_for_run(airflow, "training", run_id).state == "failed"
    task = airflow.get_tasks("training", run_id)["ingest"]
    assert (task.state, task.try_number) == ("failed", 1)
    log = airflow.read_log("training", run_id, "ingest")
    assert "is not a public address" in log
    assert not {value for value in list_secrets(platform) if value in log}
    assert set(platform.lake.keys("bronze/")) == before


@pytest.mark.parametrize(("stage", "layer"), [("train", "bronze"), ("ingest", "gold")])
def test_a_stage_cannot_read_another_layer(
    platform: Platform, first: DagRun, stage: str, layer: str
) -> None:
    """MinIO refuses its key, and logs which key asked for which object."""
    keys = platform.cluster.read_secret(f"{RELEASE}-s3-{stage}")
    name = keys["AWS_ACCESS_KEY_ID"]
    client = make_client(
        "s3",
        platform.store,
        aws_access_key_id=name,
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
    )
    line = rf'"access_key": "{re.escape(name)}", "api": "GetObject", "bucket": "{layer}"'

    def attack() -> bool:
        """Try again, because the log has at most 20 lines of a key per 10 seconds."""
        assert not is_allowed(client.get_object, Bucket=layer, Key="attack")
        return has_line(platform, "minio", line)

    wait_for("line of the refused key", attack, timeout_seconds=60)


@pytest.mark.parametrize(
    "workload",
    [
        "deployment/{}-predictor",
        "deployment/{}-mlflow",
        "deployment/{}-airflow-api-server",
        "deployment/{}-airflow-dag-processor",
        "statefulset/{}-airflow-scheduler",
    ],
)
def test_the_environment_of_a_process_has_no_secret(platform: Platform, workload: str) -> None:
    """The container has the folder of the Secrets, and process 1 has none of their values.

    Airflow's api-server overwrites its environment with its title, so the container's is read, too.
    """
    execute = ("exec", workload.format(RELEASE), "--")
    environment = platform.cluster.kubectl(*execute, "cat", "/proc/1/environ")
    environment += platform.cluster.kubectl(*execute, "env")
    assert "MLOPS_SECRETS_FOLDER=" in environment
    assert not {value for value in list_secrets(platform) if value in environment}


@pytest.mark.parametrize(("login", "status"), [(None, 401), ("mlflow-reader", 403)])
def test_only_deployers_can_move_production(
    platform: Platform, first: DagRun, login: str | None, status: int
) -> None:
    """Neither a request without a login nor the predictor's own can set or delete the alias."""
    cluster, registry = platform.cluster, platform.registry
    before = registry.get_by_alias(PRODUCTION)
    auth = None
    if login:
        secret = cluster.read_secret(f"{RELEASE}-{login}")
        auth = (secret["MLFLOW_TRACKING_USERNAME"], secret["MLFLOW_TRACKING_PASSWORD"])
    url = (
        f"{cluster.forward(f'{RELEASE}-mlflow', 'http').url}/api/2.0/mlflow/registered-models/alias"
    )
    name = platform.context.settings.mlflow.model_name
    body = {"name": name, "alias": "production", "version": "1"}
    assert httpx.post(url, json=body, auth=auth, timeout=60).status_code == status
    deletion = httpx.request("DELETE", url, json=body, auth=auth, timeout=60)
    assert deletion.status_code == status
    for method in ("POST", "DELETE"):
        wait_for_line(platform, "mlflow", rf"{method} \S+registered-models/alias.{{0,40}} {status}")
    assert registry.get_by_alias(PRODUCTION) == before


def send_a_large_body(url: str) -> int:
    headers = {"Content-Type": "application/json"}
    body = b"[" + b" " * 2_000_000 + b"]"
    return httpx.post(f"{url}/predict", content=body, headers=headers, timeout=60).status_code


def send_a_body_without_an_end(url: str) -> int:
    target = httpx.URL(url)
    head = f"POST /predict HTTP/1.1\r\nHost: {target.host}\r\n"
    body = "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n["
    with socket.create_connection((target.host, target.port or 80), timeout=90) as connection:
        connection.sendall((head + body).encode())
        return int(connection.recv(1000).split()[1])


def leave_the_reports(url: str) -> int:
    return httpx.get(f"{url}/reports/%2e%2e%2f%2e%2e%2fmodels/manifest.json").status_code


@pytest.mark.parametrize(
    ("attack", "status"),
    [(send_a_large_body, 413), (send_a_body_without_an_end, 408), (leave_the_reports, 404)],
)
def test_the_predictor_refuses(
    platform: Platform, first: DagRun, attack: Callable[[str], int], status: int
) -> None:
    """Through its Service, with the chart's limits, it answers with a status and logs it."""
    assert attack(platform.predictor) == status
    wait_for_line(platform, "predictor", rf"refused with {status}: (GET|POST) '/")


def test_a_downloaded_list_has_no_formula(platform: Platform, first: DagRun) -> None:
    """A cell of an uploaded list comes back after the name of its column, not as a formula."""
    cells = dict.fromkeys(STUDENT, '=HYPERLINK("http://evil.test")')
    text = io.StringIO()
    writer = csv.DictWriter(text, list(cells))
    writer.writeheader()
    writer.writerow(cells)
    headers = {"Content-Type": "text/csv"}
    url = f"{platform.predictor}/predict/csv"
    response = httpx.post(url, content=text.getvalue(), headers=headers, timeout=60)
    (row,) = csv.DictReader(io.StringIO(response.text))
    added = [value for name, value in row.items() if name not in cells]
    assert "HYPERLINK" in row["error"]
    assert not [value for value in added if value.startswith(("=", "+", "-", "@", "\t", "\r"))]
