"""Airflow's REST API, as a user of it: start a run, watch its tasks, read a task's log."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

from k8s.process import ClusterError

TIMEOUT = 30
TRIES, PAUSE = 5, 3  # of a request that changes nothing
ENDED = {"success", "failed", "skipped", "upstream_failed", "removed"}


@dataclass(frozen=True)
class Run:
    """A run of a DAG."""

    dag: str
    id: str
    state: str


class Airflow:
    """A session: a login's token lasts longer than any wait here."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self._url = url
        self._token = ""
        self._token = self._ask("POST", "/auth/token", {"username": user, "password": password})[
            "access_token"
        ]

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            self._url + path,
            None if body is None else json.dumps(body).encode(),
            {
                "Content-Type": "application/json",
                "Accept": "application/json",
                "Authorization": f"Bearer {self._token}",
            },
            method=method,
        )
        for attempt in range(1, TRIES + 1):
            try:
                with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                raise ClusterError(
                    f"Airflow answered {error.code} to {method} {path}: {error.read(500).decode()}"
                ) from None
            except OSError as error:  # a busy machine, or a pod that is being replaced
                if attempt == TRIES or method != "GET":
                    raise ClusterError(f"Airflow at {self._url} does not answer: {error}") from None
                time.sleep(PAUSE)
        raise AssertionError  # the last try has returned or raised

    def knows(self, dag: str) -> bool:
        """Whether Airflow has read the DAG's file yet."""
        return any(item["dag_id"] == dag for item in self._ask("GET", "/api/v2/dags")["dags"])

    def trigger(self, dag: str, run_id: str, conf: dict[str, Any]) -> Run:
        body = {"dag_run_id": run_id, "logical_date": None, "conf": conf}
        return _run(self._ask("POST", f"/api/v2/dags/{dag}/dagRuns", body))

    def run(self, dag: str, run_id: str) -> Run:
        return _run(self._ask("GET", f"/api/v2/dags/{dag}/dagRuns/{urllib.parse.quote(run_id)}"))

    def runs(self, dag: str) -> list[Run]:
        """Newest first."""
        return [
            _run(item)
            for item in self._ask("GET", f"/api/v2/dags/{dag}/dagRuns?order_by=-id&limit=100")[
                "dag_runs"
            ]
        ]

    def tasks(self, run: Run) -> dict[str, dict[str, Any]]:
        """Task instances by task."""
        path = f"/api/v2/dags/{run.dag}/dagRuns/{urllib.parse.quote(run.id)}/taskInstances"
        return {item["task_id"]: item for item in self._ask("GET", path)["task_instances"]}

    def log(self, run: Run, task: str, attempt: int) -> list[str]:
        """The lines that the last try of a task logged."""
        path = f"/api/v2/dags/{run.dag}/dagRuns/{urllib.parse.quote(run.id)}/taskInstances/{task}/logs/{attempt}?full_content=true"
        content = self._ask("GET", path)["content"]
        return [line if isinstance(line, str) else str(line.get("event", "")) for line in content]


def _run(item: dict[str, Any]) -> Run:
    return Run(item["dag_id"], item["dag_run_id"], item["state"])
