"""MLflow runs that are no longer needed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipeline.errors import RegistryError
from pipeline.retention.needs import Needs
from pipeline.retention.rules import Verdict, judge_age
from pipeline.settings.retention import RetentionSettings
from pipeline.tracking.registry import Registry
from pipeline.tracking.runs import PIPELINE_RUN_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PAGE_SIZE = 1000


@dataclass(frozen=True)
class TrackedRun:
    """An MLflow run.

    Attributes:
        run_id: Its id.
        name: Its name.
        started: When it started (UTC).
        is_deleted: Whether MLflow marks it as deleted, and still has its data.
        verdict: How long it is kept.
    """

    run_id: str
    name: str
    started: datetime
    is_deleted: bool
    verdict: Verdict


def judge_runs(
    registry: Registry, needs: Needs, settings: RetentionSettings, now: datetime
) -> list[TrackedRun]:
    """Decide for each MLflow run how long it is kept.

    Args:
        registry: The registry with the runs.
        needs: What must be kept.
        settings: How long the rest is kept.
        now: The time (UTC).

    Raises:
        RegistryError: If MLflow does not respond.
    """
    needed = {version.run_id for version in needs.versions}
    with registry.client() as client:
        return [
            _describe(run, _judge(run, needed, needs, settings, now))
            for run in _search_runs(client, registry.name)
        ]


def _judge(
    run: Run, needed: set[str], needs: Needs, settings: RetentionSettings, now: datetime
) -> Verdict:
    if run.info.run_id in needed:
        return Verdict("as long as a registered model needs it")
    if run.info.lifecycle_stage == "deleted":
        return Verdict("deleted in MLflow", is_expired=True)
    if need := needs.runs.get(run.data.tags.get(PIPELINE_RUN_TAG, "")):
        return Verdict(f"as long as {need} needs it")
    ended = _to_time(run.info.end_time or run.info.start_time)
    return judge_age(ended, settings.run_days, "MLOPS_RETENTION__RUN_DAYS", now)


def _describe(run: Run, verdict: Verdict) -> TrackedRun:
    return TrackedRun(
        run_id=run.info.run_id,
        name=str(run.info.run_name),
        started=_to_time(run.info.start_time),
        is_deleted=run.info.lifecycle_stage == "deleted",
        verdict=verdict,
    )


def _search_runs(client: MlflowClient, name: str) -> Iterator[Run]:
    """Yield all runs of an experiment, deleted ones included."""
    from mlflow.entities import ViewType

    experiment = client.get_experiment_by_name(name)
    token: str | None = None
    while experiment is not None:
        page = client.search_runs(
            [experiment.experiment_id],
            run_view_type=ViewType.ALL,
            max_results=PAGE_SIZE,
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return


def _to_time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def find_runs(registry: Registry, pipeline_runs: set[str]) -> list[TrackedRun]:
    """Return the MLflow runs of some pipeline runs of which no version is registered.

    Args:
        registry: The registry with the runs.
        pipeline_runs: Ids of the pipeline runs.

    Raises:
        RegistryError: If MLflow does not respond.
    """
    registered = {version.run_id for version in registry.list_versions()}
    with registry.client() as client:
        return [
            _describe(run, Verdict("no version of it is registered", is_expired=True))
            for run in _search_runs(client, registry.name)
            if run.data.tags.get(PIPELINE_RUN_TAG) in pipeline_runs
            and run.info.run_id not in registered
        ]


def delete_runs(registry: Registry, runs: list[TrackedRun]) -> bool:
    """Delete MLflow runs with their models.

    Args:
        registry: The registry with the runs.
        runs: Runs of which no registered version is left.

    Returns:
        Whether their data are gone. A server only marks them as deleted, until `mlflow gc` is run
        on it.

    Raises:
        RegistryError: If MLflow does not respond, or refuses.
    """
    with registry.client() as client:
        for run in runs:
            _delete_models(client, registry.name, run.run_id)
            if not run.is_deleted:
                client.delete_run(run.run_id)
    if not registry.settings.tracking_uri.startswith("sqlite:"):
        return False
    if runs:
        _collect_garbage(registry.settings.tracking_uri)
    return True


def _delete_models(client: MlflowClient, name: str, run_id: str) -> None:
    """Mark the models that a run logged as deleted."""
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    for model in client.search_logged_models(
        [experiment.experiment_id], filter_string=f"source_run_id = '{run_id}'"
    ):
        client.delete_logged_model(model.model_id)


def _collect_garbage(uri: str) -> None:
    """Let MLflow delete the data of everything in a SQLite file that is marked as deleted."""
    process = subprocess.run(  # noqa: S603 - the URI is the setting that MLflow was opened with
        [sys.executable, "-m", "mlflow", "gc", "--backend-store-uri", uri],
        env=os.environ | {"MLFLOW_TRACKING_URI": uri},
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode:
        message = process.stderr.strip().splitlines()[-1:]
        raise RegistryError(
            f"`mlflow gc` failed: {' '.join(message)}. Run the command again; it continues."
        )
