"""MLflow runs: parameters, metrics, tags and artifacts."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.settings.connections import MlflowSettings
from pipeline.tracking.client import connect

if TYPE_CHECKING:
    from mlflow import MlflowClient

PIPELINE_RUN_TAG = "pipeline_run_id"
"""Tag of MLflow runs, and by their lineage of versions: the pipeline run that made them."""


class RunStore:
    """The runs of one MLflow experiment. All methods raise RegistryError if MLflow fails."""

    def __init__(self, settings: MlflowSettings) -> None:
        self.settings = settings

    @property
    def name(self) -> str:
        """Name of the experiment, and of the registered model."""
        return self.settings.model_name

    def client(self) -> AbstractContextManager[MlflowClient]:
        """Return a client of MLflow; errors of its calls become RegistryError."""
        return connect(self.settings)

    def get_or_create_experiment(self) -> str:
        """Return the ID of the experiment; create it if it does not exist."""
        with self.client() as client:
            experiment = client.get_experiment_by_name(self.name)
            if experiment is not None:
                return str(experiment.experiment_id)
            is_local = self.settings.tracking_uri.startswith("sqlite:")
            artifacts = Path(self.settings.artifacts).resolve().as_uri() if is_local else None
            return str(client.create_experiment(self.name, artifact_location=artifacts))

    def start_run(self, name: str, tags: Mapping[str, str]) -> str:
        """Create a run, and delete unfinished runs with the same tags.

        Args:
            name: Name of the run.
            tags: Tags of the run; a retry of the same task passes the same tags.

        Returns:
            The ID of the run.
        """
        experiment = self.get_or_create_experiment()
        with self.client() as client:
            same_tags = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
            unfinished = f"{same_tags} and attributes.status != 'FINISHED'"
            for run in client.search_runs([experiment], unfinished):
                client.delete_run(run.info.run_id)
            return str(client.create_run(experiment, run_name=name, tags=dict(tags)).info.run_id)

    def end_run(self, run_id: str) -> None:
        """Mark a run finished."""
        with self.client() as client:
            client.set_terminated(run_id)

    def is_finished(self, run_id: str) -> bool:
        """Whether the run exists, is not deleted and is marked finished."""
        from mlflow.exceptions import MlflowException

        with self.client() as client:
            try:
                info = client.get_run(run_id).info
            except MlflowException as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                    return False
                raise
            return str(info.status) == "FINISHED" and str(info.lifecycle_stage) == "active"

    def upsert_run(
        self,
        name: str,
        tags: Mapping[str, str],
        metrics: Mapping[str, float],
        files: Mapping[str, bytes],
    ) -> str:
        """Fill and finish the run of that name; create it if it does not exist.

        Args:
            name: Name of the run.
            tags: Tags to set.
            metrics: Metrics to log.
            files: Artifacts to log, by file name.

        Returns:
            The ID of the run.
        """
        experiment = self.get_or_create_experiment()
        with self.client() as client:
            same_name = f"attributes.run_name = '{name}'"
            runs = client.search_runs([experiment], same_name, max_results=1)
            run = runs[0] if runs else client.create_run(experiment, run_name=name)
            run_id = str(run.info.run_id)
        self.log_run(run_id, metrics, {}, tags)
        self.log_artifacts(run_id, files)
        self.end_run(run_id)
        return run_id

    def log_run(
        self,
        run_id: str,
        metrics: Mapping[str, float],
        params: Mapping[str, object],
        tags: Mapping[str, str],
    ) -> None:
        """Log metrics, parameters and tags to a run, in one request.

        Args:
            run_id: The run.
            metrics: Metrics to log; those of the same name are replaced.
            params: Parameters to log.
            tags: Tags to set.
        """
        from mlflow.entities import Metric, Param, RunTag

        with self.client() as client:
            # With a fixed timestamp a retry overwrites the metric instead of adding a point.
            timestamp = client.get_run(run_id).info.start_time
            client.log_batch(
                run_id,
                [Metric(key, value, timestamp, step=0) for key, value in metrics.items()],
                [Param(key, str(value)) for key, value in params.items()],
                [RunTag(key, value) for key, value in tags.items()],
            )

    def log_artifacts(
        self, run_id: str, files: Mapping[str, bytes], folder: str | None = None
    ) -> None:
        """Log files to a run's artifacts.

        Args:
            run_id: The run.
            files: Bytes by file name.
            folder: Folder among the artifacts; the default is their root.
        """
        with self.client() as client, tempfile.TemporaryDirectory() as temporary:
            for name, data in files.items():
                path = Path(temporary, name)
                path.write_bytes(data)
                client.log_artifact(run_id, str(path), folder)

    def read_artifact(self, run_id: str, path: str) -> bytes:
        """Read an artifact of a run."""
        with self.client() as client, tempfile.TemporaryDirectory() as temporary:
            return Path(client.download_artifacts(run_id, path, temporary)).read_bytes()
