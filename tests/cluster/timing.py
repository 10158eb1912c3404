"""What running a stage as a pod costs: Airflow's time for a task beside its container's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.stages import get_dag_stages
from tests.cluster.airflow_api import time_of
from tests.cluster.platform import Platform


@dataclass
class Row:
    """Seconds of one stage in one run."""

    stage: str
    waited: float
    """From the end of what it waited for to the start of the task."""
    task: float
    """Of the task in Airflow."""
    work: float
    """Of the stage's container, from start to end, to the second."""
    added: float
    """What is left, `waited` + `task` - `work`: what it costs that the stage is a pod and a task."""


def overhead(platform: Platform, run: dict[str, Any]) -> list[Row]:
    """A row for each stage of a run whose pods were watched."""
    dag = run["dag_id"]
    tasks, pods = platform.airflow.tasks(dag, run["dag_run_id"]), platform.watch.of_run(run)
    ends: dict[str, datetime] = {}
    rows = []
    for stage in get_dag_stages(dag):
        task = tasks[stage.name]
        start, end = time_of(task["start_date"]), time_of(task["end_date"])
        ready = max((ends[before] for before in stage.after), default=time_of(run["queued_at"]))
        ends[stage.name] = end
        ended = pods[stage.name]["status"]["containerStatuses"][0]["state"].get("terminated")
        work = (
            (time_of(ended["finishedAt"]) - time_of(ended["startedAt"])).total_seconds()
            if ended
            else 0.0
        )
        rows.append(
            Row(
                stage.name,
                round((start - ready).total_seconds(), 1),
                round((end - start).total_seconds(), 1),
                work,
                round((end - ready).total_seconds() - work, 1),
            )
        )
    return rows


def table(rows: list[Row], first: dict[str, Any], last: dict[str, Any]) -> str:
    """The rows for people, and the time of the whole chain."""
    lines = [f"{'stage':12}{'waited':>8}{'task':>8}{'work':>8}{'pod adds':>10}  seconds"]
    lines += [
        f"{row.stage:12}{row.waited:8.1f}{row.task:8.1f}{row.work:8.1f}{row.added:10.1f}"
        for row in rows
    ]
    chain = (time_of(last["end_date"]) - time_of(first["queued_at"])).total_seconds()
    mean = sum(row.added for row in rows) / len(rows)
    lines.append(
        f"a pod adds {mean:.1f} s on average; from the trigger to the verified model {chain:.0f} s"
    )
    return "\n".join(lines)
