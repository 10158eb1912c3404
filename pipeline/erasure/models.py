"""Models that were trained on rows of a person."""

from __future__ import annotations

from pipeline.erasure.rows import Row, get_features
from pipeline.model.bundle import ARTIFACT_FOLDER, MANIFEST, Manifest
from pipeline.tracking.registry import Registry, Version
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


def has_rows(registry: Registry, version: Version, features: set[Row]) -> bool:
    """Whether the bundle of a version has rows of a person, as those of earlier releases may.

    Args:
        registry: The registry.
        version: The version.
        features: The features of the person's rows.
    """
    raw = registry.read_artifact(version.run_id, f"{ARTIFACT_FOLDER}/{MANIFEST}")
    manifest = Manifest.model_validate_json(raw)
    if manifest.has_no_rows:
        return False
    stored = (*manifest.background, *manifest.examples.inputs)
    rows = (dict(zip(manifest.features, row, strict=True)) for row in stored)
    return any(get_features(row) in features for row in rows)
