"""Record the stages' pods while they exist: Airflow deletes each one after it has ended."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from k8s.airflow import DagRun, parse_time
from tests.cluster.cluster import Cluster


class StagePodRecorder(threading.Thread):
    """Keeps the last state of each pod, also in a file, so that a later session has it too."""

    def __init__(self, cluster: Cluster, path: Path) -> None:
        super().__init__(daemon=True)
        self._cluster = cluster
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._pods: dict[str, dict[str, Any]] = (
            json.loads(path.read_text()) if path.exists() else {}
        )
        self._process: subprocess.Popen[str] | None = None
        self._stopped = threading.Event()

    def run(self) -> None:
        selector = "app.kubernetes.io/component=stage"
        command = self._cluster.get_command("get", "pods", "-l", selector, "--watch", "-o", "json")
        while not self._stopped.is_set():
            with subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            ) as self._process:
                self._read(self._process)
            self._stopped.wait(1)

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        lines: list[str] = []
        for line in process.stdout:  # kubectl prints indented documents, one after another
            lines.append(line)
            if line == "}\n":
                pod = json.loads("".join(lines))
                lines = []
                self._pods[pod["metadata"]["name"]] = pod
                self._path.write_text(json.dumps(self._pods))

    def stop(self) -> None:
        self._stopped.set()
        if self._process:
            self._process.terminate()
        self.join(10)

    def get_pods(self, run: DagRun) -> dict[str, dict[str, Any]]:
        """The last pod of each stage in a run, by stage."""
        return select_pods(list(self._pods.values()), run)


def select_pods(pods: Iterable[dict[str, Any]], run: DagRun) -> dict[str, dict[str, Any]]:
    """The last pod of each stage in a run, by stage.

    A pod belongs to the run if it was created during it: a DAG has one run at a time. Pods
    without Airflow's label `dag_id` belong to no run: people start such pods by hand.
    """
    assert run.started_at is not None and run.ended_at is not None
    selected = {}
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"])):
        created = parse_time(pod["metadata"]["creationTimestamp"])
        assert created is not None
        labels = pod["metadata"]["labels"]
        started = run.started_at.replace(microsecond=0)  # Kubernetes' times are whole seconds
        if labels.get("dag_id") == run.dag_id and started <= created <= run.ended_at:
            selected[labels["student-mlops/stage"]] = pod
    return selected
