"""MLflow: runs, and the registry whose aliases `staging`, `production` and `previous` say which version is which.

Every wait on the server is bounded, and its failures become one sentence.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import LakeError, RegistryError
from pipeline.model.bundle import ARTIFACT_FOLDER, MANIFEST, Bundle, Manifest, verify_files
from pipeline.settings import MlflowSettings
from pipeline.storage.lake import sha256_hex

if TYPE_CHECKING:
    from mlflow import MlflowClient

STAGING, PRODUCTION, PREVIOUS = "staging", "production", "previous"
MANIFEST_TAG = "manifest_sha256"
"""Tag of a version: the hash of its bundle's manifest, which in turn holds the hash of every file."""


@dataclass(frozen=True)
class Version:
    """A version of the registered model."""

    number: str
    run_id: str
    tags: Mapping[str, str]


class Registry:
    """The tracking server (or SQLite file) that the settings name, and in it our experiment and registered model."""

    def __init__(self, settings: MlflowSettings) -> None:
        self.settings = settings
        self.name = settings.name

    @contextlib.contextmanager
    def client(self) -> Iterator[MlflowClient]:
        """A client; what it raises becomes a RegistryError."""
        uri = configure(self.settings)
        import requests
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        try:
            yield MlflowClient(uri)
        except (MlflowException, requests.RequestException) as error:
            raise RegistryError(
                f"MLflow at {uri}: {_gist(error)}; MLOPS_MLFLOW__TRACKING_URI says where it is"
            ) from error

    def get_or_create_experiment(self) -> str:
        """The id of our experiment, made if there is none."""
        with self.client() as client:
            found = client.get_experiment_by_name(self.name)
            if found is not None:
                return str(found.experiment_id)
            local = self.settings.tracking_uri.startswith("sqlite:")
            place = Path(self.settings.artifacts).resolve().as_uri() if local else None
            return str(client.create_experiment(self.name, artifact_location=place))

    def get_by_alias(self, alias: str) -> Version | None:
        """The version that carries `alias`, or None."""
        from mlflow.exceptions import MlflowException

        with self.client() as client:
            try:
                found = client.get_model_version_by_alias(self.name, alias)
            except MlflowException as error:
                if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                    return None
                raise
            return Version(str(found.version), str(found.run_id), dict(found.tags))

    def get_version(self, number: str) -> Version:
        """The version of that number.

        Raises:
            RegistryError: there is none.
        """
        with self.client() as client:
            found = client.get_model_version(self.name, number)
            return Version(str(found.version), str(found.run_id), dict(found.tags))

    def list_versions(self) -> list[Version]:
        """All versions, oldest first."""
        with self.client() as client:
            found = client.search_model_versions(f"name='{self.name}'")
            listed = [
                Version(str(item.version), str(item.run_id), dict(item.tags)) for item in found
            ]
            return sorted(listed, key=lambda version: int(version.number))

    def register(self, model_uri: str, run_id: str, tags: Mapping[str, str]) -> Version:
        """A new version of the registered model; the model itself is made if there is none."""
        from mlflow.exceptions import MlflowException

        with self.client() as client:
            try:
                client.create_registered_model(self.name)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            logged = (
                model_uri.removeprefix("models:/") if model_uri.startswith("models:/m-") else None
            )  # a server asks for both
            made = client.create_model_version(
                self.name, model_uri, run_id=run_id, tags=dict(tags), model_id=logged
            )
            return Version(str(made.version), run_id, dict(tags))

    def set_tag(self, number: str, key: str, value: str) -> None:
        """Sets a tag of a version."""
        with self.client() as client:
            client.set_model_version_tag(self.name, number, key, value)

    def delete_tag(self, number: str, key: str) -> None:
        """Removes a tag of a version, which must have it."""
        with self.client() as client:
            client.delete_model_version_tag(self.name, number, key)

    def set_alias(self, alias: str, number: str) -> None:
        """Gives `alias` to a version, taking it from the one that had it, in one step."""
        with self.client() as client:
            client.set_registered_model_alias(self.name, alias, number)

    def delete_alias(self, alias: str) -> None:
        """Takes `alias` from the version that has it, if any."""
        with self.client() as client:
            client.delete_registered_model_alias(self.name, alias)

    def upsert_run(
        self,
        name: str,
        tags: Mapping[str, str],
        metrics: Mapping[str, float],
        files: Mapping[str, bytes],
    ) -> str:
        """A finished run of our experiment with that name, made if there is none; returns its id."""
        experiment = self.get_or_create_experiment()
        with self.client() as client:
            found = client.search_runs(
                [experiment], f"attributes.run_name = '{name}'", max_results=1
            )
            run_id = str(
                (found[0] if found else client.create_run(experiment, run_name=name)).info.run_id
            )
        self.log_run(run_id, metrics, {}, tags)
        self.log_artifacts(run_id, files)
        with self.client() as client:
            client.set_terminated(run_id)
        return run_id

    def start_run(self, name: str, tags: Mapping[str, str]) -> str:
        """A new run of our experiment; unfinished ones with the same tags, which were stopped half-way, are deleted."""
        experiment = self.get_or_create_experiment()
        with self.client() as client:
            same = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
            for run in client.search_runs(
                [experiment], f"{same} and attributes.status != 'FINISHED'"
            ):
                client.delete_run(run.info.run_id)
            return str(client.create_run(experiment, run_name=name, tags=dict(tags)).info.run_id)

    def end_run(self, run_id: str) -> None:
        """Says that the run ended well."""
        with self.client() as client:
            client.set_terminated(run_id)

    def is_finished(self, run_id: str) -> bool:
        """Whether there is such a run, and it ended well."""
        from mlflow.exceptions import MlflowException

        with self.client() as client:
            try:
                info = client.get_run(run_id).info
            except MlflowException as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                    return False
                raise
            return str(info.status) == "FINISHED" and str(info.lifecycle_stage) == "active"

    def log_run(
        self,
        run_id: str,
        metrics: Mapping[str, float],
        params: Mapping[str, object],
        tags: Mapping[str, str],
    ) -> None:
        """Adds to a run, in one request."""
        from mlflow.entities import Metric, Param, RunTag

        with self.client() as client:
            at = client.get_run(
                run_id
            ).info.start_time  # the same metric again, at the same time, is no second point
            client.log_batch(
                run_id,
                [Metric(key, value, timestamp=at, step=0) for key, value in metrics.items()],
                [Param(key, str(value)) for key, value in params.items()],
                [RunTag(key, value) for key, value in tags.items()],
            )

    def log_artifacts(
        self, run_id: str, files: Mapping[str, bytes], folder: str | None = None
    ) -> None:
        """Adds files to a run's artifacts."""
        with self.client() as client, tempfile.TemporaryDirectory() as temporary:
            for name, data in files.items():
                path = Path(temporary, name)
                path.write_bytes(data)
                client.log_artifact(run_id, str(path), folder)

    def read_artifact(self, run_id: str, path: str) -> bytes:
        """An artifact of a run."""
        with self.client() as client, tempfile.TemporaryDirectory() as temporary:
            return Path(client.download_artifacts(run_id, path, temporary)).read_bytes()

    def get_version_bundle(self, version: Version) -> Bundle:
        """The bundle of a registered version, checked against the hash in the version's tag.

        Raises:
            LakeError: If a hash does not match.
            RegistryError: If MLflow does not respond.
        """
        return self.get_bundle(version.run_id, version.tags.get(MANIFEST_TAG))

    def get_bundle(self, run_id: str, manifest_sha256: str | None = None) -> Bundle:
        """The bundle of a run's model, every file checked against the manifest.

        Raises:
            LakeError: a file's hash is not the manifest's, or the manifest's not `manifest_sha256`.
            RegistryError: MLflow is away.
        """
        raw = self.read_artifact(run_id, f"{ARTIFACT_FOLDER}/{MANIFEST}")
        if manifest_sha256 is not None and sha256_hex(raw) != manifest_sha256:
            raise LakeError(
                f"the manifest of run {run_id} has the hash {sha256_hex(raw)}, its version says {manifest_sha256}: it is refused"
            )
        manifest = Manifest(**json.loads(raw))
        files = {
            name: self.read_artifact(run_id, f"{ARTIFACT_FOLDER}/{name}") for name in manifest.files
        }
        return verify_files(manifest, files, f"run {run_id}, {ARTIFACT_FOLDER}")


def _gist(error: Exception) -> str:
    """What went wrong, without the layers of libraries that a failed connection is told through."""
    told = str(error).splitlines()[0]
    return "no answer, and no further tries" if "Max retries exceeded" in told else told


def configure(settings: MlflowSettings) -> str:
    """Points MLflow's client at the server, quiet and with bounded waits; returns the tracking URI."""
    os.environ.update(
        MLFLOW_HTTP_REQUEST_TIMEOUT=str(settings.timeout_seconds),
        MLFLOW_HTTP_REQUEST_MAX_RETRIES=str(settings.retries),
        MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR="1",
        MLFLOW_DISABLE_TELEMETRY="true",
        DO_NOT_TRACK="true",
        MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false",
        # Artifacts go through the server: the object store behind it need not be reachable, as it is not from outside a cluster.
        MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD="false",
        MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD="false",
        MLFLOW_LOGGING_LEVEL="ERROR",  # its remarks are for those who call it by hand
        MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT="true",
        MLFLOW_UV_AUTO_DETECT="false",  # a model's requirements are written out, not those of the project around it
    )
    import mlflow

    mlflow.set_tracking_uri(settings.tracking_uri)
    mlflow.set_registry_uri(settings.tracking_uri)
    return settings.tracking_uri
