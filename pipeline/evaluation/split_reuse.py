"""How many models were measured on a test split; reports of `evaluate` and `validate` state it."""

from __future__ import annotations

from pipeline.model.bundle import ONNX, Manifest
from pipeline.storage import layout
from pipeline.storage.artifacts.base import Artifact
from pipeline.storage.lake import Lake


class MeasuredModel(Artifact):
    """A model that was measured on a test split, under the hash of its ONNX file."""

    mlflow_run_id: str


def count_models(lake: Lake, manifest: Manifest) -> int:
    """Record that a model was measured on its test split; return how many different ones were."""
    test, onnx = manifest.lineage.gold["test"], manifest.files[ONNX]
    run = MeasuredModel(mlflow_run_id=manifest.run_id)
    lake.create(layout.test_split_model(test, onnx), run.to_bytes())
    return len(lake.keys(layout.test_split_models(test)))


def describe_reuse(models: int) -> str:
    """Describe how many models a test split has measured, in a sentence without a full stop."""
    if models == 1:
        return "this is the only model that was measured on this test split"
    return (
        f"{models} different models were measured on this test split: the best of several looks "
        "better than it is"
    )
