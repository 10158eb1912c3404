"""What a bundle must be before it scores rows, in a predictor or in a batch.

The predictor imports this module, so it must not import pandas or scikit-learn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.columns import COLUMNS_SHA256, FEATURE_NAMES
from pipeline.errors import PipelineError
from pipeline.model.bundle import Manifest
from pipeline.types import Float32Array, FloatArray


class ModelRefused(PipelineError):
    """A bundle cannot be loaded, or its predictions differ from its manifest."""


def check_columns(manifest: Manifest, source: str) -> None:
    """Check that a model was trained with the columns file in use.

    Args:
        manifest: The manifest of the model.
        source: Where the bundle comes from, for the error.

    Raises:
        ModelRefused: If the model expects other features, or had another columns file.
    """
    if tuple(manifest.features) != FEATURE_NAMES:
        raise ModelRefused(
            f"{source} expects the features {manifest.features}, the columns file has "
            f"{list(FEATURE_NAMES)}"
        )
    if manifest.columns not in (None, COLUMNS_SHA256):
        raise ModelRefused(
            f"{source} was trained with another columns file: its manifest has the hash "
            f"{manifest.columns}, and the file in use has {COLUMNS_SHA256}. Train a model with "
            "the file in use, or set MLOPS_COLUMNS to the file of this model"
        )


def get_example_rows(manifest: Manifest) -> Float32Array:
    """Return the rows of the manifest's examples, shape (n_rows, n_features)."""
    return np.array(manifest.examples.inputs, np.float32).reshape(-1, len(FEATURE_NAMES))


def check_examples(
    manifest: Manifest, scored: Float32Array | FloatArray, tolerance: float, source: str
) -> None:
    """Check that a loaded model reproduces the stored probabilities of its examples.

    Args:
        manifest: The manifest of the model.
        scored: Probabilities of `get_example_rows`, shape (n_rows,).
        tolerance: Largest accepted difference.
        source: Where the bundle comes from, for the error.

    Raises:
        ModelRefused: If a probability differs by more.
    """
    difference = _max_difference(scored, manifest.examples.expected)
    if not difference <= tolerance:
        raise ModelRefused(
            f"{source} differs from its stored examples by {difference:g}; "
            f"at most {tolerance:g} is allowed"
        )


def _max_difference(scored: Float32Array | FloatArray, stored: Sequence[float]) -> float:
    """Largest difference between two lists of probabilities; NaN if their lengths differ."""
    expected = np.array(stored, np.float64)
    if scored.shape != expected.shape:
        return np.nan
    return float(np.max(np.abs(scored - expected), initial=0.0))
