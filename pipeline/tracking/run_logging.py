"""Log a training to its MLflow run: the scikit-learn model and the data it was trained on."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from pipeline.columns import FEATURES
from pipeline.model.candidates import TRUSTED_TYPES
from pipeline.storage.artifacts.data import GoldManifest
from pipeline.storage.lake import Lake
from pipeline.storage.layout import gold_split
from pipeline.tracking.registry import Registry
from pipeline.types import Float32Array

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

MODEL = "model"
"""Name of the logged model."""
PACKAGES = ("scikit-learn", "skops", "numpy", "scipy")
"""Packages that loading the model requires. Without the list MLflow takes 15 s to infer them."""
CONVERTERS = ("skl2onnx", "onnxruntime")
"""Packages that the ONNX graph was made and compared with."""
MAX_DIGEST_LENGTH = 36
"""MLflow truncates longer digests of data sets."""


def get_library_versions(optional: Sequence[str] = ()) -> dict[str, str]:
    """Return the versions of Python and of the packages that models are made with, by name.

    Args:
        optional: Further packages.
    """
    packages = {package: version(package) for package in (*PACKAGES, *CONVERTERS, *optional)}
    return {"python": platform.python_version(), **packages}


def log_model(registry: Registry, run_id: str, model: Pipeline, example: Float32Array) -> str:
    """Log the scikit-learn model in the skops format; the run stays unfinished.

    Args:
        registry: The registry.
        run_id: MLflow run to log to.
        model: The fitted model.
        example: Rows that document the input, shape (n_rows, n_features).

    Returns:
        The model's URI.
    """
    with registry.client():
        import mlflow
        import mlflow.sklearn
        from mlflow.models import ModelSignature
        from mlflow.types import Schema, TensorSpec

        signature = ModelSignature(
            inputs=Schema([TensorSpec(np.dtype(np.float32), (-1, len(FEATURES)))]),
            outputs=Schema([TensorSpec(np.dtype(np.float64), (-1, 2))]),
        )
        status = "FAILED"
        mlflow.start_run(run_id=run_id)
        try:
            logged = mlflow.sklearn.log_model(
                model,
                name=MODEL,
                serialization_format="skops",
                skops_trusted_types=TRUSTED_TYPES,
                signature=signature,
                input_example=example,
                pip_requirements=[f"{package}=={version(package)}" for package in PACKAGES],
                pyfunc_predict_fn="predict_proba",
            )
            status = "RUNNING"  # `train` marks the run finished after it has written its report
        finally:
            mlflow.end_run(status)
        return str(logged.model_uri)


def log_inputs(registry: Registry, run_id: str, lake: Lake, gold: GoldManifest) -> None:
    """Log the splits of gold, with their hashes, as the run's data sets.

    Args:
        registry: The registry.
        run_id: MLflow run to log to.
        lake: The lake with the splits.
        gold: The manifest of the splits.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    inputs = [
        DatasetInput(
            Dataset(
                name=f"gold {name}",
                digest=split.sha256[:MAX_DIGEST_LENGTH],
                source_type="lake",
                source=lake.url(gold_split(gold.run_id, name)),
            ),
            [InputTag("mlflow.data.context", name)],
        )
        for name, split in gold.splits.items()
    ]
    with registry.client() as client:
        client.log_inputs(run_id, inputs)
