"""The model registry: versions of the registered model, and the aliases that give them a role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipeline.errors import LakeError
from pipeline.model.bundle import ARTIFACT_FOLDER, MANIFEST, Bundle, Manifest, verify_files
from pipeline.storage.lake import sha256_hex
from pipeline.tracking.runs import RunStore

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

STAGING, PRODUCTION, PREVIOUS = "staging", "production", "previous"
"""Aliases of the candidate, the version in production, and the one to roll back to."""
MANIFEST_TAG = "manifest_sha256"
"""Tag of a version: SHA-256 of its bundle's manifest, which holds the SHA-256 of every file."""
RECORD_TAG = "promotion_sha256"
"""Tag of a version: SHA-256 of the promotion record that last moved production to it."""

NOT_FOUND = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""Error codes for something that does not exist, which come with several statuses."""


@dataclass(frozen=True)
class Version:
    """A version of the registered model.

    Attributes:
        number: Version number, counted by MLflow from 1.
        run_id: MLflow run that trained the model.
        tags: Tags of the version.
        created: When it was registered (UTC), if it was read from MLflow.
    """

    number: str
    run_id: str
    tags: Mapping[str, str]
    created: datetime | None = field(default=None, compare=False)


class Registry(RunStore):
    """The versions of one registered model, and the runs of the experiment of the same name.

    All methods raise RegistryError if MLflow fails.
    """

    def get_by_alias(self, alias: str) -> Version | None:
        """Return the version with that alias, or None."""
        from mlflow.exceptions import MlflowException

        with self.client() as client:
            try:
                return _to_version(client.get_model_version_by_alias(self.name, alias))
            except MlflowException as error:
                # A login without a permission for a model that does not exist yet gets a 403.
                is_refused = error.error_code == "PERMISSION_DENIED"
                if error.error_code in NOT_FOUND or (is_refused and not self._exists(client)):
                    return None
                raise

    def list_aliased(self) -> dict[str, Version]:
        """Return the version of each alias that a version has, of `production` last."""
        found = {alias: self.get_by_alias(alias) for alias in (STAGING, PREVIOUS, PRODUCTION)}
        return {alias: version for alias, version in found.items() if version}

    def _exists(self, client: MlflowClient) -> bool:
        """Whether the registered model exists."""
        from mlflow.exceptions import MlflowException

        try:
            client.get_registered_model(self.name)
        except MlflowException as error:
            if error.error_code in NOT_FOUND:
                return False
            raise
        return True

    def get_version(self, number: str) -> Version:
        """Return the version of that number.

        Raises:
            RegistryError: If it does not exist.
        """
        with self.client() as client:
            return _to_version(client.get_model_version(self.name, number))

    def list_versions(self) -> list[Version]:
        """Return all versions, oldest first."""
        with self.client() as client:
            found = client.search_model_versions(f"name='{self.name}'")
            return sorted(map(_to_version, found), key=lambda version: int(version.number))

    def register(self, model_uri: str, run_id: str, tags: Mapping[str, str]) -> Version:
        """Create a version of the registered model; create the model if it does not exist.

        Args:
            model_uri: URI of the logged model, or of a folder of artifacts.
            run_id: MLflow run that trained the model.
            tags: Tags of the version.

        Returns:
            The new version.
        """
        from mlflow.exceptions import MlflowException

        is_logged_model = model_uri.startswith("models:/m-")
        with self.client() as client:
            try:
                client.create_registered_model(self.name)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            version = client.create_model_version(
                self.name,
                model_uri,
                run_id=run_id,
                tags=dict(tags),
                # A server needs the ID of a logged model as well as its URI.
                model_id=model_uri.removeprefix("models:/") if is_logged_model else None,
            )
            return Version(str(version.version), run_id, dict(tags))

    def set_tag(self, number: str, key: str, value: str) -> None:
        """Set a tag of a version."""
        with self.client() as client:
            client.set_model_version_tag(self.name, number, key, value)

    def delete_tag(self, number: str, key: str) -> None:
        """Delete a tag of a version.

        Raises:
            RegistryError: If the version does not have the tag.
        """
        with self.client() as client:
            client.delete_model_version_tag(self.name, number, key)

    def set_alias(self, alias: str, number: str) -> None:
        """Move an alias to a version, in one step."""
        with self.client() as client:
            client.set_registered_model_alias(self.name, alias, number)

    def delete_alias(self, alias: str) -> None:
        """Delete an alias, if a version has it."""
        with self.client() as client:
            client.delete_registered_model_alias(self.name, alias)

    def delete_version(self, number: str) -> None:
        """Delete a version from the registry, with its aliases; its run stays."""
        with self.client() as client:
            client.delete_model_version(self.name, number)

    def get_version_bundle(self, version: Version) -> Bundle:
        """Return the bundle of a registered version, checked against the hash in its tag.

        Raises:
            LakeError: If a hash does not match.
            RegistryError: If MLflow fails.
        """
        return self.get_bundle(version.run_id, version.tags.get(MANIFEST_TAG))

    def get_bundle(self, run_id: str, manifest_sha256: str | None = None) -> Bundle:
        """Return the bundle of a run, every file checked against the manifest.

        Args:
            run_id: MLflow run that trained the model.
            manifest_sha256: Hash that the manifest must have; None to accept any.

        Raises:
            LakeError: If a hash does not match.
            RegistryError: If MLflow fails.
        """
        raw = self.read_artifact(run_id, f"{ARTIFACT_FOLDER}/{MANIFEST}")
        if manifest_sha256 is not None and sha256_hex(raw) != manifest_sha256:
            raise LakeError(
                f"run {run_id}, {ARTIFACT_FOLDER}/{MANIFEST} has the SHA-256 {sha256_hex(raw)}, "
                f"but its version records {manifest_sha256}; it is refused. "
                "Train and register again."
            )
        manifest = Manifest.model_validate_json(raw)
        files = {
            name: self.read_artifact(run_id, f"{ARTIFACT_FOLDER}/{name}") for name in manifest.files
        }
        return verify_files(manifest, files, f"run {run_id}, {ARTIFACT_FOLDER}")


def _to_version(version: ModelVersion) -> Version:
    created = datetime.fromtimestamp(version.creation_timestamp / 1000, UTC)
    return Version(str(version.version), str(version.run_id), dict(version.tags), created)
