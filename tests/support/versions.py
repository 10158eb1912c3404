"""Register model versions without running the training stages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.model.bundle import ARTIFACT_FOLDER, MANIFEST, Bundle
from pipeline.storage.lake import sha256_hex
from pipeline.tracking.registry import MANIFEST_TAG, Registry


def register_bundle(
    registry: Registry,
    bundle: Bundle,
    *aliases: str,
    tags: Mapping[str, str] | None = None,
    manifest_sha256: str | None = None,
    **changes: Any,
) -> str:
    """Register a bundle as the stage `register` does.

    Args:
        registry: The registry.
        bundle: The model and its manifest.
        aliases: Aliases that the version gets.
        tags: Tags of the version.
        manifest_sha256: Value of the tag MANIFEST_TAG if it is not the manifest's hash.
        changes: Fields of the manifest to change.

    Returns:
        The number of the version.
    """
    run_id, version = register_empty(registry, tags or {})
    registry.log_artifacts(run_id, bundle.files, ARTIFACT_FOLDER)
    facts = {"run_id": run_id, "version": version, "name": registry.name} | changes
    raw = bundle.manifest.model_copy(update=facts).to_bytes()
    registry.log_artifacts(run_id, {MANIFEST: raw}, ARTIFACT_FOLDER)
    registry.set_tag(version, MANIFEST_TAG, manifest_sha256 or sha256_hex(raw))
    for alias in aliases:
        registry.set_alias(alias, version)
    return version


def register_empty(registry: Registry, tags: Mapping[str, str]) -> tuple[str, str]:
    """Register a version of a new MLflow run without artifacts; return run ID and number."""
    with registry.client() as client:
        run = client.create_run(registry.get_or_create_experiment())
    source = f"{run.info.artifact_uri}/{ARTIFACT_FOLDER}"
    return run.info.run_id, registry.register(source, run.info.run_id, tags).number
