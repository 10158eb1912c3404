"""A model as the predictor takes it: a manifest, and the files whose hashes it holds.

A bundle lies in the MLflow run's artifacts under `serving/` and, of the version in production, in the lake's `models/`.
Its manifest says all that an answer must be traceable to, so that a predictor needs nothing else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from pipeline.errors import LakeError
from pipeline.storage.artifacts import Artifact, GateResult, Interval
from pipeline.storage.lake import Lake, sha256_hex
from pipeline.storage.layout import MODELS, model_file

ONNX, PICKLE, MANIFEST = "model.onnx", "model.pkl", "manifest.json"
ARTIFACT_FOLDER = "serving"
"""Folder of a bundle in the artifacts of its MLflow run."""

ONNX_INPUT, ONNX_OUTPUT = "features", "probabilities"
"""The ONNX graph takes float32 [rows, features], in the order of columns.FEATURES, and gives float32 [rows, 2]: pass, fail."""


class Lineage(Artifact):
    """Hashes (SHA-256) of what the model came from, layer by layer, and the code that made it."""

    pipeline_run_id: str
    bronze: str
    silver: str
    gold: dict[str, str]
    """Hash of each split."""
    code_version: str
    image: str

    def tags(self) -> dict[str, str]:
        """The same, flat, as MLflow keeps tags."""
        plain = self.model_dump(exclude={"gold"})
        return {**plain, **{f"gold_{name}": sha256 for name, sha256 in self.gold.items()}}


class Examples(Artifact):
    """Rows with the probabilities that the trained model gave them: what a loaded model must reproduce."""

    inputs: list[list[float]]
    fail_probability: list[float]


class Manifest(Artifact):
    """All that is to be known of a model; what is not known before it is registered is empty until then."""

    name: str
    family: str
    run_id: str
    """MLflow run that trained it."""
    version: str | None = None
    """Version in the registry."""
    created: str
    threshold: float
    """A fail probability of at least this is answered as the positive label."""
    features: list[str]
    files: dict[str, str]
    """SHA-256 of each file of the bundle."""
    lineage: Lineage
    examples: Examples
    background: list[list[float]]
    """A sample of gold's training rows: the background that explanations are taken against."""
    metrics: dict[str, Interval] = {}
    gates: list[GateResult] = []


@dataclass(frozen=True)
class Bundle:
    manifest: Manifest
    files: dict[str, bytes]
    """Bytes by file name, each of the hash that the manifest says."""


def verify_files(manifest: Manifest, files: dict[str, bytes], place: str) -> Bundle:
    """The bundle of these files.

    Raises:
        LakeError: a file's hash is not the manifest's, or there is none of the manifest's files.
    """
    if not files:
        raise LakeError(f"{place} holds none of {', '.join(manifest.files)}; run `register` again")
    for name, data in files.items():
        if sha256_hex(data) != manifest.files.get(name):
            raise LakeError(
                f"{place}/{name} has the hash {sha256_hex(data)}, its manifest says {manifest.files.get(name)}: it is refused; "
                "run `register` again"
            )
    return Bundle(manifest, files)


def read_fallback(lake: Lake) -> Bundle:
    """The bundle in the lake's `models/`, of whichever of its files are there.

    Raises:
        LakeError: there is no manifest, no model file, or a file whose hash is not the manifest's.
    """
    manifest = Manifest(**json.loads(lake.read(model_file(MANIFEST))))
    present = [name for name in manifest.files if lake.exists(model_file(name))]
    return verify_files(
        manifest, {name: lake.read(model_file(name)) for name in present}, lake.url(MODELS)
    )


def fallback_matches(lake: Lake, manifest_sha256: str | None) -> bool:
    """Whether the lake's `models/` holds the bundle of this manifest, every file as it says."""
    try:
        return sha256_hex(read_fallback(lake).manifest.to_bytes()) == manifest_sha256
    except LakeError:
        return False


def write_fallback(lake: Lake, bundle: Bundle) -> None:
    """Puts the bundle into the lake's `models/`, the manifest last: until then the old manifest refuses the new files."""
    for name, data in bundle.files.items():
        lake.write(model_file(name), data)
    lake.write(model_file(MANIFEST), bundle.manifest.to_bytes())
