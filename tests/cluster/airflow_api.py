"""Airflow as a user of its REST API has it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from tests.cluster.cluster import wait_for

ENDED = ("success", "failed")
RUN_PATIENCE = 1800.0  # a DAG run on a machine that does something else as well


@dataclass
class Airflow:
    url: str
    user: str
    password: str
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = httpx.Client(base_url=self.url, timeout=60)

    def login(self) -> None:
        answer = self.client.post(
            "/auth/token", json={"username": self.user, "password": self.password}
        )
        answer.raise_for_status()
        self.client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """The answer of /api/v2; a token that has run out is renewed, a server that moves is waited for."""

        def once() -> httpx.Response | None:
            if "Authorization" not in self.client.headers:
                self.login()
            answer = self.client.request(method, f"/api/v2{path}", **options)
            if answer.status_code == httpx.codes.UNAUTHORIZED:
                del self.client.headers["Authorization"]
                return None
            if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
                answer.raise_for_status()
            return answer

        answer = wait_for(f"Airflow's answer to {method} {path}", once)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def trigger(self, dag: str, run_id: str, **conf: Any) -> dict[str, Any]:
        """Starts a run, as the button in the page does."""
        run: dict[str, Any] = self.ask(
            "POST",
            f"/dags/{dag}/dagRuns",
            json={"dag_run_id": run_id, "logical_date": None, "conf": conf},
        )
        return run

    def dags(self) -> set[str]:
        return {dag["dag_id"] for dag in self.ask("GET", "/dags")["dags"]}

    def runs(self, dag: str) -> list[dict[str, Any]]:
        """The DAG's runs, the newest first."""
        found: list[dict[str, Any]] = self.ask(
            "GET", f"/dags/{dag}/dagRuns", params={"order_by": "-id", "limit": 100}
        )["dag_runs"]
        return found

    def run(self, dag: str, run_id: str) -> dict[str, Any] | None:
        return next((run for run in self.runs(dag) if run["dag_run_id"] == run_id), None)

    def tasks(self, dag: str, run_id: str) -> dict[str, dict[str, Any]]:
        """Task instances of a run by their id."""
        listed = self.ask("GET", f"/dags/{dag}/dagRuns/{run_id}/taskInstances")["task_instances"]
        return {task["task_id"]: task for task in listed}

    def states(self, dag: str, run_id: str) -> dict[str, str]:
        return {name: task["state"] for name, task in self.tasks(dag, run_id).items()}

    def log(self, dag: str, run_id: str, task: str, number: int | None = None) -> str:
        """What the page shows as the log of the task's try of that number, or of its last one."""
        number = number or self.tasks(dag, run_id)[task]["try_number"]
        path = f"/dags/{dag}/dagRuns/{run_id}/taskInstances/{task}/logs/{number}"
        lines = self.ask("GET", path, headers={"Accept": "application/json"})["content"]
        return "\n".join(line["event"] if isinstance(line, dict) else str(line) for line in lines)

    def wait(self, dag: str, run_id: str, timeout: float = RUN_PATIENCE) -> dict[str, Any]:
        """The run once it has ended, however."""

        def ended() -> dict[str, Any] | None:
            run = self.run(dag, run_id)
            return run if run and run["state"] in ENDED else None

        return wait_for(f"the end of {dag} {run_id}", ended, timeout, pause=2)

    def wait_for_asset_run(
        self, dag: str, after: str, timeout: float = RUN_PATIENCE
    ) -> dict[str, Any]:
        """The first run that an asset started later than `after` (ISO time), once it has ended."""

        def started() -> dict[str, Any] | None:
            newer = [
                run
                for run in self.runs(dag)
                if run["run_type"] == "asset_triggered" and run["run_after"] > after
            ]
            return newer[-1] if newer else None

        run = wait_for(f"a run of {dag} started by an asset after {after}", started, pause=2)
        return self.wait(dag, run["dag_run_id"], timeout)

    def events_of(self, dag: str, run_id: str) -> list[dict[str, Any]]:
        """The asset events that started a run."""
        found: list[dict[str, Any]] = self.ask(
            "GET", f"/dags/{dag}/dagRuns/{run_id}/upstreamAssetEvents"
        )["asset_events"]
        return found


def stamp() -> str:
    """The time as run ids are told apart by it."""
    return time.strftime("%Y%m%dT%H%M%S", time.gmtime())


def time_of(iso: str) -> datetime:
    """A time as Airflow and our manifests write it."""
    return datetime.fromisoformat(iso.replace("Z", "+00:00")).astimezone(UTC)
