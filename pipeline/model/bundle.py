"""A model as it is stored and served: model files and a manifest with their hashes.

A bundle is stored among the artifacts of its MLflow run, in the folder `serving/`. The lake's
`models/` holds a copy of the bundle in production, which predictors fall back to. The manifest
holds everything that a predictor reports about a model, so a predictor needs only the bundle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer

from pipeline.column_file.blanks import BLANK
from pipeline.errors import LakeError
from pipeline.storage.artifacts.base import Artifact, Interval
from pipeline.storage.artifacts.gates import GateResult
from pipeline.storage.lake import Lake, sha256_hex
from pipeline.storage.layout import MODELS, model_file

ONNX, PICKLE, REFITS, MANIFEST = "model.onnx", "model.pkl", "refits.onnx", "manifest.json"
"""File names in a bundle."""
ARTIFACT_FOLDER = "serving"
"""Folder of the bundle among the artifacts of its MLflow run."""

ONNX_INPUT, ONNX_OUTPUT = "features", "probabilities"
"""Names in the ONNX graph. The input is float32 of shape (n_rows, n_features), in the order of
columns.FEATURES; the output is float32 of shape (n_rows, 2), negative class first. The graph of the
refits has the same input; its output has shape (n_rows, n_refits)."""

Value = Annotated[
    float,
    BeforeValidator(lambda value: BLANK if value is None else value),
    PlainSerializer(lambda value: None if math.isnan(value) else value),
]
"""A value of a row; a blank is NaN here and null in JSON."""


def _is_none(value: object) -> bool:
    return value is None


class Lineage(Artifact):
    """The data and code that a model was made from."""

    pipeline_run_id: str
    bronze: str
    """SHA-256 of the raw file."""
    silver: str
    """SHA-256 of the validated rows."""
    gold: dict[str, str]
    """SHA-256 of each split."""
    code_version: str
    image: str

    def tags(self) -> dict[str, str]:
        """Return the lineage as flat MLflow tags."""
        plain = self.model_dump(exclude={"gold"})
        return {**plain, **{f"gold_{name}": sha256 for name, sha256 in self.gold.items()}}


class Examples(Artifact):
    """Rows with the trained model's probabilities, which a loaded model must reproduce."""

    inputs: list[list[Value]]
    probability: list[float] = Field(default_factory=list, exclude_if=lambda values: not values)
    fail_probability: list[float] | None = Field(default=None, exclude_if=_is_none)
    """The probabilities in bundles of earlier releases, which have no `probability`."""

    @property
    def expected(self) -> list[float]:
        """The probability of each row."""
        return self.probability if self.fail_probability is None else self.fail_probability


class TrainingFacts(Artifact):
    """What a model learned from. The predictor warns of values outside it."""

    values: dict[str, list[float]]
    """By feature: the range of a number without outliers, the codes that occur of a category."""
    blanks: list[str] = Field(default_factory=list, exclude_if=lambda blanks: not blanks)
    """Names of the features that have blanks."""
    positive_rate: float
    """Fraction of positive rows."""
    precision: float
    """Fraction of true positives among the rows predicted positive, in nested cross-validation."""
    flagged_below_rate: float | None = Field(default=None, exclude_if=_is_none)
    """Fraction of the rows predicted positive whose probability is below `positive_rate`. None in
    bundles of earlier releases."""


class RefitFacts(Artifact):
    """The models in `refits.onnx`: the same candidate, fitted on random subsets of the rows."""

    fraction: float
    """Fraction of the rows that each refit learned from."""
    thresholds: list[float]
    """Threshold of each refit, in the order of the graph's output."""


class Manifest(Artifact):
    """Everything that is known about a model.

    A field of a later release than the manifest's is left out of its JSON, so that the manifest
    keeps its bytes, and so its hash, when it is written again.
    """

    name: str
    """Name of the registered model."""
    family: str
    run_id: str
    """MLflow run that trained the model."""
    version: str | None = None
    """Version in the registry; None until the model is registered."""
    created: str
    threshold: float
    """Probability from which the positive label is predicted."""
    features: list[str]
    """Feature names, in the order of the ONNX input."""
    columns: str | None = Field(default=None, exclude_if=_is_none)
    """Hash of the columns file (pipeline/column_file/fingerprint.py); None in bundles of earlier
    releases."""
    files: dict[str, str]
    """SHA-256 of each file of the bundle."""
    lineage: Lineage
    examples: Examples
    background: list[list[Value]]
    """Aggregates of the training rows, which explanations are computed against. Bundles of earlier
    releases have a sample of the rows."""
    has_no_rows: bool = Field(default=False, exclude_if=lambda value: not value)
    """Whether the examples and the background have no row of a person; False, and not in JSON, in
    bundles of earlier releases."""
    training: TrainingFacts | None = Field(default=None, exclude_if=_is_none)
    """None in bundles of earlier releases."""
    refits: RefitFacts | None = Field(default=None, exclude_if=_is_none)
    """None without `refits.onnx`."""
    metrics: dict[str, Interval] = Field(default_factory=dict)
    """Metrics on the test rows; empty until the model is registered."""
    gates: list[GateResult] = Field(default_factory=list)
    """Gates that `evaluate` judged; empty until the model is registered."""
    cautions: list[str] = Field(default_factory=list, exclude_if=lambda cautions: not cautions)
    """What the data check found: sentences without a full stop that limit what the metrics mean.
    Empty until the model is registered, and in bundles of earlier releases."""

    @property
    def sha256(self) -> str:
        """SHA-256 of the manifest, which identifies the bundle."""
        return sha256_hex(self.to_bytes())


@dataclass(frozen=True)
class Bundle:
    """A model whose files match its manifest.

    Attributes:
        manifest: The manifest.
        files: Bytes by file name; some of the manifest's files may be missing.
    """

    manifest: Manifest
    files: dict[str, bytes]


def verify_files(manifest: Manifest, files: dict[str, bytes], place: str) -> Bundle:
    """Check files against their manifest.

    Args:
        manifest: The manifest.
        files: Bytes by file name, at least those of one model file.
        place: Where the files are stored, for error messages.

    Returns:
        The bundle of these files.

    Raises:
        LakeError: If there is no model file, or the hash of one differs from the manifest.
    """
    if not {ONNX, PICKLE} & files.keys():
        raise LakeError(f"{place} holds none of {ONNX}, {PICKLE}. Run `register` again.")
    for name, data in files.items():
        if sha256_hex(data) != manifest.files.get(name):
            raise LakeError(
                f"{place}/{name} has the SHA-256 {sha256_hex(data)}, but its manifest records "
                f"{manifest.files.get(name)}; it is refused. Run `register` again."
            )
    return Bundle(manifest, files)


def read_fallback(lake: Lake) -> Bundle:
    """Read the bundle in the lake's `models/`, with those of its files that are there.

    Raises:
        LakeError: If the manifest is missing or invalid, if there is no model file, or if the
            hash of one differs from the manifest.
    """
    manifest = lake.read_model(model_file(MANIFEST), Manifest)
    present = [name for name in manifest.files if lake.exists(model_file(name))]
    files = {name: lake.read(model_file(name)) for name in present}
    return verify_files(manifest, files, lake.url(MODELS))


def fallback_matches(lake: Lake, manifest_sha256: str | None) -> bool:
    """Whether the lake's `models/` holds the bundle of this manifest, with intact files."""
    try:
        return read_fallback(lake).manifest.sha256 == manifest_sha256
    except LakeError:
        return False


def write_fallback(lake: Lake, bundle: Bundle) -> None:
    """Write the bundle to the lake's `models/`.

    The manifest is written last. Until then the old manifest does not match the new files, so a
    half-written bundle is refused.
    """
    for name, data in bundle.files.items():
        lake.write(model_file(name), data)
    lake.write(model_file(MANIFEST), bundle.manifest.to_bytes())
