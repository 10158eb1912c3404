"""The platform under test, and the data sets that the tests give it."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from k8s import access
from k8s.airflow import AirflowClient
from k8s.process import ROOT
from k8s.release import RELEASE, SOURCE_SETTING
from pipeline.columns import FEATURE_NAMES, LABEL, RAW_HEADER
from pipeline.context import Context
from pipeline.data.synthetic import generate_csv
from pipeline.settings.connections import LakeSettings
from pipeline.storage.lake import Lake
from pipeline.storage.s3 import s3_client
from pipeline.tracking.registry import Registry
from tests.cluster.cluster import Cluster, wait_for
from tests.cluster.stage_pods import StagePodRecorder

FIRST = "first"
"""The id of the first training run."""
INBOX = "s3://bronze/inbox"
UP_TIMEOUT_SECONDS = 3600
"""Two cores build every image, and start everything from nothing."""
STUDENT = {
    "age": 31,
    "course": "stem",
    "sleep_hours": 6.8,
    "relationship": "no",
    "review_hours": 2.1,
}

Columns = dict[str, Any]
"""The values of each column, each of shape (n_rows,)."""


@dataclass
class Platform:
    """The platform's parts, as the tests reach them.

    Attributes:
        context: The context of the pipeline's own commands, with the cluster's lake and registry.
        processes_before_first: The predictor's processes when the first run started; None if
            that was in an earlier session.
    """

    cluster: Cluster
    airflow: AirflowClient
    lake: Lake
    store: LakeSettings
    registry: Registry
    context: Context
    stage_pods: StagePodRecorder
    processes_before_first: dict[str, str] | None = None

    def list_predictor_processes(self) -> dict[str, str]:
        """The start time of each predictor container, by pod and number of restarts."""
        started = {}
        for pod in self.cluster.list_pods("predictor"):
            for status in pod["status"].get("containerStatuses", []):
                name = f"{pod['metadata']['name']} {status['restartCount']}"
                started[name] = str(status["state"].get("running", {}).get("startedAt"))
        return started

    def wait_for_new_pods(self) -> None:
        """Wait until every part is rolled out, and the session's port-forwards lead to its pods."""
        self.cluster.wait_until_rolled_out()
        urls = (
            f"{self.airflow.url}/api/v2/version",
            f"{self.store.endpoint}/minio/health/live",
            f"{self.registry.settings.tracking_uri}/health",
        )
        for url in urls:
            wait_for(url, lambda: httpx.get(url, timeout=30).is_success)  # noqa: B023 - called here

    @property
    def predictor(self) -> str:
        """The URL of the predictor's Service on the node's port that kind maps to this machine."""
        return access.get_urls()["predictor"]

    @property
    def source(self) -> str | None:
        """The data source of a training run without parameters."""
        settings: dict[str, str] = self.cluster.get("configmap", f"{RELEASE}-settings")["data"]
        return settings.get(SOURCE_SETTING)

    @property
    def inbox_name(self) -> str:
        """The name of that source in the inbox."""
        folder, _, name = (self.source or "").rpartition("/")
        assert folder == INBOX, self.source
        return name

    def put(self, name: str, data: bytes) -> str:
        """Upload a file to the inbox; returns its source."""
        client: Any = s3_client(self.store)
        client.put_object(Bucket="bronze", Key=f"inbox/{name}", Body=data)
        return f"{INBOX}/{name}"

    def put_file(self, name: str, path: Path, folder: str = "inbox") -> str:
        """Upload a file of any size into a folder of bronze; returns its source."""
        client: Any = s3_client(self.store)
        client.upload_file(str(path), "bronze", f"{folder}/{name}")
        return f"s3://bronze/{folder}/{name}"


def run_up(data: str) -> None:
    """Install the platform, without a training run; two nodes for the long tests."""
    nodes = "2" if os.environ.get("FULL") else "1"
    command = [sys.executable, "-m", "k8s", "up", "--no-training", "--data", data, "--nodes", nodes]
    subprocess.run(command, cwd=ROOT, check=True, timeout=UP_TIMEOUT_SECONDS)


def get_model(url: str) -> dict[str, Any]:
    """What a predictor's /model answers."""
    answer = httpx.get(f"{url}/model", timeout=10)
    answer.raise_for_status()
    model: dict[str, Any] = answer.json()
    return model


def make_survey(
    seed: int, rows: int, get_failed: Callable[[Columns, np.random.Generator], Any]
) -> bytes:
    """A survey file of generated students with other labels.

    Args:
        seed: Seed of the students and the labels.
        rows: Number of students.
        get_failed: Returns a boolean array of shape (rows,): who failed.
    """
    table = list(csv.reader(io.StringIO(generate_csv(rows, seed).decode())))[1:]
    columns = dict(zip(FEATURE_NAMES, np.array(table, dtype=float).T, strict=False))
    failed = get_failed(columns, np.random.default_rng(seed))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(RAW_HEADER)
    for row, has_failed in zip(table, failed, strict=True):
        writer.writerow([*row[:-1], LABEL.positive_raw if has_failed else LABEL.negative_raw])
    return text.getvalue().encode()


def make_noise(seed: int) -> bytes:
    """A survey whose labels do not depend on the columns: no model of it passes the gates."""
    return make_survey(
        seed, 1000, lambda columns, random: random.random(len(columns["age"])) < LABEL.rate
    )


def make_term(seed: int, feature: str, low: float, high: float) -> bytes:
    """A term in which those fail most whose feature is in a range that was safe before.

    A model of another term ranks these students much worse than a model of this term, so that the
    evidence of one run is enough to replace it. The reports' groups do not depend on the feature,
    and the known risks remain.
    """

    def get_failed(columns: Columns, random: np.random.Generator) -> Any:
        has_known_risk = (columns["sleep_hours"] > 6) | (columns["review_hours"] < 2)
        rate = np.where(has_known_risk, 0.35, 0.01)
        is_in_range = (columns[feature] >= low) & (columns[feature] < high)
        return random.random(len(rate)) < np.where(is_in_range, 0.7, rate)

    return make_survey(seed, 2000, get_failed)
