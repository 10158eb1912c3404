"""A client of Airflow's REST API: start runs, follow their tasks, read logs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from k8s.process import ClusterError
from pipeline.polling import poll_until

REQUEST_TIMEOUT_SECONDS = 60
RETRY_TIMEOUT_SECONDS = 120
RETRY_INTERVAL_SECONDS = 2
RUNS_LIMIT = 100
ENDED_RUN = frozenset({"success", "failed"})
ENDED_TASK = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})


@dataclass(frozen=True)
class DagRun:
    """A run of a DAG; `started_at` and `ended_at` are None before that."""

    dag_id: str
    run_id: str
    state: str
    run_type: str
    run_after: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED_RUN


@dataclass(frozen=True)
class Task:
    """A task instance of a run."""

    task_id: str
    state: str | None
    try_number: int
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED_TASK


class AirflowClient:
    """A session with Airflow. It logs in when needed and retries while the server is away.

    Reads are retried after any connection failure or server error; other requests only if they
    did not reach the server.
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url
        self.user = user
        self.password = password
        self._client = httpx.Client(base_url=url, timeout=REQUEST_TIMEOUT_SECONDS)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def list_dag_ids(self) -> set[str]:
        """Return the DAGs whose files Airflow has read."""
        return {item["dag_id"] for item in self._get("/dags")["dags"]}

    def trigger(self, dag_id: str, run_id: str, **conf: Any) -> DagRun:
        """Start a run.

        Args:
            dag_id: The DAG to run.
            run_id: The id of the new run; it must be unused.
            conf: Values for the DAG's parameters.

        Returns:
            The run.
        """
        body = {"dag_run_id": run_id, "logical_date": None, "conf": conf}
        return _parse_run(self._request("POST", f"/dags/{dag_id}/dagRuns", json=body).json())

    def get_run(self, dag_id: str, run_id: str) -> DagRun | None:
        """Return a run, or None if there is none with that id."""
        response = self._request("GET", f"/dags/{dag_id}/dagRuns/{run_id}", accept_missing=True)
        return (
            None if response.status_code == httpx.codes.NOT_FOUND else _parse_run(response.json())
        )

    def list_runs(self, dag_id: str) -> list[DagRun]:
        """Return the last runs of a DAG, newest first."""
        params = {"order_by": "-id", "limit": RUNS_LIMIT}
        found = self._get(f"/dags/{dag_id}/dagRuns", params=params)
        return [_parse_run(item) for item in found["dag_runs"]]

    def get_tasks(self, dag_id: str, run_id: str) -> dict[str, Task]:
        """Return the task instances of a run, by task id."""
        found = self._get(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
        return {item["task_id"]: _parse_task(item) for item in found}

    def get_states(self, dag_id: str, run_id: str) -> dict[str, str | None]:
        """Return the state of each task of a run, by task id."""
        return {name: task.state for name, task in self.get_tasks(dag_id, run_id).items()}

    def read_log(
        self, dag_id: str, run_id: str, task_id: str, try_number: int | None = None
    ) -> str:
        """Return the log of a task.

        Args:
            dag_id: The DAG.
            run_id: The run of the DAG.
            task_id: The task.
            try_number: The attempt, from 1; None for the last one.
        """
        number = try_number or max(self.get_tasks(dag_id, run_id)[task_id].try_number, 1)
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{number}"
        lines = self._get(path, params={"full_content": True})["content"]
        return "\n".join(
            str(line.get("event", "")) if isinstance(line, dict) else str(line) for line in lines
        )

    def list_upstream_events(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the asset events that started a run."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/upstreamAssetEvents"
        events: list[dict[str, Any]] = self._get(path)["asset_events"]
        return events

    def get_heartbeat(self) -> datetime:
        """Return when the scheduler last reported that it runs."""
        scheduler = self._get("/monitor/health")["scheduler"]
        return datetime.fromisoformat(scheduler["latest_scheduler_heartbeat"])

    def _get(self, path: str, **options: Any) -> Any:
        return self._request("GET", path, **options).json()

    def _request(
        self, method: str, path: str, *, accept_missing: bool = False, **options: Any
    ) -> httpx.Response:
        """Send a request to /api/v2 and return the successful response."""
        last_error = ""

        def send() -> httpx.Response | None:
            nonlocal last_error
            if "Authorization" not in self._client.headers and (problem := self._log_in()):
                last_error = problem
                return None
            try:
                response = self._client.request(method, f"/api/v2{path}", **options)
            except httpx.TransportError as error:
                if method != "GET" and not isinstance(error, httpx.ConnectError):
                    raise ClusterError(f"{method} {self.url}{path} failed: {error!r}") from None
                last_error = repr(error)
                return None
            if response.status_code == httpx.codes.UNAUTHORIZED:  # the token has expired
                del self._client.headers["Authorization"]
            elif response.status_code < httpx.codes.INTERNAL_SERVER_ERROR or method != "GET":
                return response
            last_error = f"{response.status_code} {response.text[:500]}"
            return None

        response = poll_until(
            send, timeout_seconds=RETRY_TIMEOUT_SECONDS, interval_seconds=RETRY_INTERVAL_SECONDS
        )
        if response is None:
            raise ClusterError(
                f"Airflow at {self.url} did not answer {method} {path} within "
                f"{RETRY_TIMEOUT_SECONDS} s: {last_error}"
            )
        missing = accept_missing and response.status_code == httpx.codes.NOT_FOUND
        if not response.is_success and not missing:
            raise ClusterError(
                f"Airflow answered {method} {path} with {response.status_code}: "
                f"{response.text[:500]}"
            )
        return response

    def _log_in(self) -> str | None:
        """Get a token; returns what went wrong if it is worth another try."""
        login = {"username": self.user, "password": self.password}
        try:
            response = self._client.post("/auth/token", json=login)
        except httpx.TransportError as error:
            return repr(error)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            raise ClusterError(f"Airflow at {self.url} refused the login of {self.user!r}")
        if not response.is_success:
            return f"{response.status_code} {response.text[:500]}"
        self._client.headers["Authorization"] = f"Bearer {response.json()['access_token']}"
        return None


def _parse_run(item: dict[str, Any]) -> DagRun:
    run_after = parse_time(item["run_after"])
    assert run_after is not None
    return DagRun(
        item["dag_id"],
        item["dag_run_id"],
        item["state"],
        item["run_type"],
        run_after,
        parse_time(item["start_date"]),
        parse_time(item["end_date"]),
    )


def _parse_task(item: dict[str, Any]) -> Task:
    return Task(
        item["task_id"],
        item["state"],
        item["try_number"],
        parse_time(item["start_date"]),
        parse_time(item["end_date"]),
    )


def parse_time(text: str | None) -> datetime | None:
    """Return a time in ISO 8601 as Airflow and Kubernetes write it, in UTC; None for None."""
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)
