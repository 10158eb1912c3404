"""Wait for runs of Airflow's DAGs."""

from __future__ import annotations

from datetime import UTC, datetime

from k8s.airflow import AirflowClient, DagRun
from tests.cluster.cluster import wait_for

RUN_TIMEOUT_SECONDS = 1800.0
INTERVAL_SECONDS = 2.0


def make_run_id(prefix: str) -> str:
    """A run id with the time, so that it is unique."""
    return f"{prefix}-{datetime.now(UTC):%Y%m%dT%H%M%S}"


def wait_for_run(airflow: AirflowClient, dag_id: str, run_id: str) -> DagRun:
    """Wait until a run has ended, and return it."""

    def find_ended() -> DagRun | None:
        run = airflow.get_run(dag_id, run_id)
        return run if run is not None and run.has_ended else None

    return wait_for(
        f"the end of {dag_id} {run_id}",
        find_ended,
        timeout_seconds=RUN_TIMEOUT_SECONDS,
        interval_seconds=INTERVAL_SECONDS,
    )


def wait_for_asset_run(airflow: AirflowClient, dag_id: str, after: datetime | None) -> DagRun:
    """Wait until the first run that an asset started after this time has ended, and return it."""
    assert after is not None

    def find_started() -> DagRun | None:
        runs = [
            run
            for run in airflow.list_runs(dag_id)
            if run.run_type == "asset_triggered" and run.run_after > after
        ]
        return runs[-1] if runs else None

    run = wait_for(
        f"a run of {dag_id} that an asset started after {after}",
        find_started,
        interval_seconds=INTERVAL_SECONDS,
    )
    return wait_for_run(airflow, dag_id, run.run_id)
