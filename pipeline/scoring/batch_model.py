"""The model that scores a batch: the bundle in `models/`, which predictors fall back to."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.columns import LABEL
from pipeline.errors import LakeError
from pipeline.model.acceptance import check_columns, check_examples, get_example_rows
from pipeline.model.bundle import MANIFEST, ONNX, Bundle, Manifest
from pipeline.model.decision import DIGITS, is_positive
from pipeline.model.onnx import open_session, positive_probability
from pipeline.model.training_range import TrainingRange
from pipeline.storage.lake import Lake
from pipeline.storage.layout import model_file
from pipeline.types import BoolArray, Float32Array, FloatArray

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


@dataclass(frozen=True)
class BatchModel:
    """A loaded model, which may be used from any thread.

    Attributes:
        manifest: Its manifest.
        session: A session on the ONNX graph.
        range: The values that the model learned from.
    """

    manifest: Manifest
    session: InferenceSession
    range: TrainingRange

    @property
    def version(self) -> str:
        """The registered version, as the predictor reports it."""
        return self.manifest.version or "unregistered"

    @property
    def threshold(self) -> float:
        """Probability from which the positive label is predicted, rounded as the predictor does."""
        return round(self.manifest.threshold, DIGITS)

    def score(self, rows: Float32Array) -> FloatArray:
        """Return the probabilities of the positive label, rounded as the predictor does.

        Args:
            rows: Valid rows, shape (n_rows, n_features).

        Returns:
            Probabilities, shape (n_rows,).
        """
        if not len(rows):
            return np.zeros(0)
        exact, places = np.unique(positive_probability(self.session, rows), return_inverse=True)
        return np.array([round(value, DIGITS) for value in exact.tolist()])[places]

    def get_labels(self, probabilities: FloatArray) -> BoolArray:
        """Return whether each probability is predicted positive, shape (n_rows,)."""
        return is_positive(probabilities, self.threshold)

    def warn(self, rows: Float32Array) -> dict[int, str]:
        """Return a warning for each row with values that the model did not learn from.

        Args:
            rows: Valid rows, shape (n_rows, n_features).

        Returns:
            Index of a row -> its warning.
        """
        found = self.range.check(rows)
        return {row: "; ".join(map(str, warnings)) for row, warnings in found.items()}


LABELS = np.array([LABEL.negative, LABEL.positive])
"""Name of the label for False and True."""


def read_manifest(lake: Lake) -> Manifest:
    """Read the manifest of the bundle in `models/`.

    Raises:
        LakeError: If there is none.
    """
    return lake.read_model(model_file(MANIFEST), Manifest)


@functools.lru_cache(maxsize=1)
def load_model(lake: Lake, manifest_sha256: str, tolerance: float) -> BatchModel:
    """Load the bundle in `models/`, once per process.

    Args:
        lake: The lake.
        manifest_sha256: SHA-256 of the manifest that the bundle must have.
        tolerance: Largest accepted difference from the stored probabilities.

    Raises:
        LakeError: If the bundle was replaced, or a file has another hash.
        RegistryError: If ONNX Runtime cannot load the graph.
        ModelRefused: If the model was trained with another columns file, or returns other
            probabilities.
    """
    manifest = read_manifest(lake)
    place = lake.url(model_file(MANIFEST))
    if manifest.sha256 != manifest_sha256:
        raise LakeError(f"{place} was replaced while a list was scored. Run the stage again")
    check_columns(manifest, place)
    files = {ONNX: lake.read(model_file(ONNX), manifest.files.get(ONNX, ""))}
    session = open_session(Bundle(manifest, files))
    model = BatchModel(manifest, session, TrainingRange(manifest.training))
    rows = get_example_rows(manifest)
    scored = positive_probability(session, rows) if len(rows) else np.zeros(0)
    check_examples(manifest, scored, tolerance, place)
    return model
