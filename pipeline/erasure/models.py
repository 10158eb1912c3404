"""Models that were trained on rows of a person."""

from __future__ import annotations

from pipeline.erasure.rows import Row, get_features
from pipeline.model.bundle import ARTIFACT_FOLDER, MANIFEST, Manifest
from pipeline.tracking.registry import PREVIOUS, PRODUCTION, STAGING, Registry, Version
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
    aliases: dict[str, str] = {}
    for alias in (STAGING, PREVIOUS, PRODUCTION):
        if version := registry.get_by_alias(alias):
            aliases[version.number] = alias
    left, in_use = [], {}
    for version in models:
        alias = aliases.get(version.number, "")
        is_used = alias == PRODUCTION or (alias and not delete_previous)
        if version.run_id in runs and not is_used:
            for name in (STAGING, PREVIOUS):
                if alias and registry.get_by_alias(name) == version:
                    registry.delete_alias(name)
            registry.delete_version(version.number)
            continue
        left.append(version)
        if version.run_id in runs:
            in_use[version.number] = alias
    return left, in_use
