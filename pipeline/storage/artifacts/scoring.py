"""The document of `score`."""

from __future__ import annotations

from pipeline.storage.artifacts.base import Artifact
from pipeline.storage.artifacts.data import PartFacts
from pipeline.storage.artifacts.drift import ModelIdentity


class ScoresManifest(Artifact):
    """Predictions of a list, and what they were made from."""

    run_id: str
    name: str
    """File name of the list."""
    list_sha256: str
    """SHA-256 of the list."""
    list_bytes: int
    scored_at: str
    rows: int
    positives: int
    """Number of rows that are predicted positive."""
    rejected: int
    """Number of rows without a prediction; the predictions have the reason of each."""
    warned: int
    """Number of rows with values that the model did not learn from."""
    model: ModelIdentity
    threshold: float
    onnx_sha256: str
    """SHA-256 of the model's ONNX file."""
    bundle: str
    """SHA-256 of the manifest of the model's bundle."""
    columns: str
    """Hash of the columns file."""
    code_version: str
    image: str
    parquet: list[PartFacts]
    """The predictions as Parquet, in the order of the list."""
    csv: list[PartFacts]
    """The same predictions as CSV."""
