"""What a training leaves in its MLflow run: the scikit-learn model by skops, with explicit types, and the data it came from."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from pipeline.columns import FEATURES
from pipeline.model.candidates import TRUSTED_TYPES, Rows
from pipeline.storage.artifacts import GoldManifest
from pipeline.storage.lake import Lake
from pipeline.storage.layout import gold_split
from pipeline.tracking.registry import Registry

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

MODEL = "model"
"""Name of the logged model."""
PACKAGES = ("scikit-learn", "skops", "numpy", "scipy")
"""What loading the model needs, written out: MLflow would otherwise spend a quarter of a minute on finding out."""


def log_model(registry: Registry, run_id: str, model: Pipeline, example: Rows) -> str:
    """Logs the model to the run, which goes on; returns the model's URI."""
    with registry.client():
        import mlflow
        import mlflow.sklearn
        from mlflow.models import ModelSignature
        from mlflow.types import Schema, TensorSpec

        signature = ModelSignature(
            inputs=Schema([TensorSpec(np.dtype(np.float32), (-1, len(FEATURES)))]),
            outputs=Schema([TensorSpec(np.dtype(np.float64), (-1, 2))]),
        )
        end = "FAILED"
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
            end = "RUNNING"  # it is finished when the lake's report names it, and no earlier
        finally:
            mlflow.end_run(end)
        return str(logged.model_uri)


def log_inputs(registry: Registry, run_id: str, lake: Lake, gold: GoldManifest) -> None:
    """Names gold's splits, by hash, as the run's data sets."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    inputs = [
        DatasetInput(
            Dataset(
                name=f"gold {split}",
                digest=facts.sha256[:36],  # MLflow truncates longer digests
                source_type="lake",
                source=lake.url(gold_split(gold.run_id, split)),
            ),
            [InputTag("mlflow.data.context", split)],
        )
        for split, facts in gold.splits.items()
    ]
    with registry.client() as client:
        client.log_inputs(run_id, inputs)
