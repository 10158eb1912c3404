"""Models that were trained on rows of a person."""

from __future__ import annotations

from pipeline.erasure.rows import Row, get_features
from pipeline.model.bundle import ARTIFACT_FOLDER, MANIFEST, Manifest
from pipeline.tracking.registry import PRODUCTION, Registry, Version
from pipeline.tracking.runs import PIPELINE_RUN_TAG


def find_models(registry: Registry, training_runs: set[str]) -> list[Version]:
    """Return the registered versions that some pipeline runs trained.

    Args:
        registry: The registry.
        training_runs: Ids of the pipeline runs.
    """
    return [
        version
        for version in registry.list_versions()
        if version.tags.get(PIPELINE_RUN_TAG) in training_runs
    ]


def read_manifest(registry: Registry, version: Version) -> Manifest:
    """Read the manifest of a version's bundle, without the model files."""
    raw = registry.read_artifact(version.run_id, f"{ARTIFACT_FOLDER}/{MANIFEST}")
    return Manifest.model_validate_json(raw)


def has_rows(registry: Registry, version: Version, features: set[Row]) -> bool:
    """Whether the bundle of a version has rows of a person, as those of earlier releases may.

    Args:
        registry: The registry.
        version: The version.
        features: The features of the person's rows.
    """
    manifest = read_manifest(registry, version)
    if manifest.has_no_rows:
        return False
    stored = (*manifest.background, *manifest.examples.inputs)
    rows = (dict(zip(manifest.features, row, strict=True)) for row in stored)
    return any(get_features(row) in features for row in rows)


def delete_bundles(
    registry: Registry, models: list[Version], runs: set[str], *, delete_previous: bool
) -> tuple[list[Version], dict[str, str]]:
    """Delete versions whose bundles have rows of a person, unless they are in use.

    Args:
        registry: The registry.
        models: The versions that were trained on rows of the person.
        runs: MLflow runs of those whose bundles have such rows.
        delete_previous: Whether the aliases `previous` and `staging` do not count as use.

    Returns:
        The versions that are left, and the aliases of those with rows, by number.
    """
    # Of a version with several aliases, the last one counts.
    aliases = {version.number: alias for alias, version in registry.list_aliased().items()}
    left, in_use = [], {}
    for version in models:
        alias = aliases.get(version.number)
        if version.run_id not in runs:
            left.append(version)
        elif alias == PRODUCTION or (alias and not delete_previous):
            left.append(version)
            in_use[version.number] = alias
        else:
            registry.delete_version(version.number)
    return left, in_use
