"""What the tests hold of the platform, and the data sets that they feed it."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np

from k8s import access
from k8s.cluster import SOURCE
from pipeline.columns import FEATURE_NAMES, LABEL, RAW_HEADER
from pipeline.context import Context
from pipeline.data.synthetic import generate_csv
from pipeline.settings import LakeSettings
from pipeline.storage.lake import Lake, s3_client
from pipeline.tracking.registry import Registry
from tests.cluster.airflow_api import Airflow
from tests.cluster.cluster import Cluster, StagePods

NAME = "student-mlops"
FIRST = "first"
INBOX = "s3://bronze/inbox"
STUDENT = {
    "age": 31,
    "course": "stem",
    "sleep_hours": 6.8,
    "relationship": "no",
    "review_hours": 2.1,
}


@dataclass
class Platform:
    cluster: Cluster
    airflow: Airflow
    lake: Lake
    store: LakeSettings
    registry: Registry
    context: Context
    """As the pipeline's own commands get it, with the cluster's lake and registry."""
    watch: StagePods
    before_first: dict[str, str] | None = None
    """The predictor's processes when the first run began; None where that was in an earlier session."""

    def predictor_processes(self) -> dict[str, str]:
        """When each container of the predictor started, by pod and number of restarts."""
        started = {}
        for pod in self.cluster.pods("predictor"):
            for status in pod["status"].get("containerStatuses", []):
                running = status["state"].get("running", {})
                started[f"{pod['metadata']['name']} {status['restartCount']}"] = str(
                    running.get("startedAt")
                )
        return started

    @property
    def predictor(self) -> str:
        """The predictor's Service, by its port on the node, which kind maps to this machine."""
        return access.urls()["predictor"]

    @property
    def source(self) -> str | None:
        """What training reads when nobody tells it anything else."""
        settings: dict[str, str] = self.cluster.get("configmap", f"{NAME}-settings")["data"]
        return settings.get(SOURCE)

    @property
    def inbox(self) -> str:
        """That source's name in the inbox."""
        place, _, name = (self.source or "").rpartition("/")
        assert place == INBOX, self.source
        return name

    def put(self, name: str, data: bytes) -> str:
        """Puts a file into bronze's inbox, as a person would; returns the source that names it."""
        client: Any = s3_client(self.store)
        client.put_object(Bucket="bronze", Key=f"inbox/{name}", Body=data)
        return f"{INBOX}/{name}"


def model_of(url: str) -> dict[str, Any]:
    """What answers at a predictor's URL."""
    answer = httpx.get(f"{url}/model", timeout=10)
    answer.raise_for_status()
    model: dict[str, Any] = answer.json()
    return model


def relabelled(seed: int, rows: int, labels: Any) -> bytes:
    """A survey file of generated students whose labels are `labels(columns, random)`: 1 for the positive label."""
    table = list(csv.reader(io.StringIO(generate_csv(rows, seed).decode())))[1:]
    columns = dict(zip(FEATURE_NAMES, np.array(table, dtype=float).T, strict=False))
    positive = labels(columns, np.random.default_rng(seed))
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(RAW_HEADER)
    for row, label in zip(table, positive, strict=True):
        writer.writerow([*row[:-1], LABEL.positive_raw if label else LABEL.negative_raw])
    return written.getvalue().encode()


def noise(seed: int) -> bytes:
    """A file in which nothing tells who fails: no model of it holds the gates."""
    return relabelled(
        seed, 1000, lambda columns, random: random.random(len(columns["age"])) < LABEL.rate
    )


def term(seed: int, tired: float) -> bytes:
    """A term in which two columns tell who fails almost for sure: who slept more than `tired` hours and reviewed little.

    The surer the rule and the further `tired` from an earlier file's, the more a model of this file gains on one of that.
    """

    def labels(columns: dict[str, Any], random: np.random.Generator) -> Any:
        risky = (columns["sleep_hours"] > tired) & (columns["review_hours"] < 2)
        return np.where(risky, random.random(len(risky)) < 0.9, random.random(len(risky)) < 0.01)

    return relabelled(seed, 1500, labels)
