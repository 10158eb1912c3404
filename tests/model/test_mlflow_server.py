"""The training stages on an MLflow server; the other tests of this folder use a SQLite file."""

from __future__ import annotations

from collections.abc import Callable

import mlflow
import numpy as np
import pytest

from pipeline.context import Context
from pipeline.model.bundle import read_fallback
from pipeline.model.training import TrainingResult
from pipeline.stages import evaluate, register, train
from pipeline.storage.artifacts.training import TrainReport
from pipeline.storage.layout import train_report
from pipeline.tracking.registry import STAGING
from tests.support.gold import RUN
from tests.support.mlflow_server import get_mlflow_user, log_in


def test_a_server_stores_everything(
    new_context: Callable[..., Context],
    pretrained: TrainingResult,
    mlflow_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each stage does its work with its own login, and artifacts go through the server.

    The version has its bundle, and MLflow loads the model.
    """
    context = new_context(mlflow={"tracking_uri": mlflow_url, "name": "server"})
    for stage in (train, evaluate, register):
        log_in(monkeypatch, get_mlflow_user(stage))
        stage.run(context)
    log_in(monkeypatch, "reader")
    report = context.lake.read_model(train_report(RUN), TrainReport)
    version = context.registry.get_by_alias(STAGING)
    assert version is not None
    assert version.run_id == report.mlflow_run_id
    bundle = context.registry.get_version_bundle(version)
    assert bundle == read_fallback(context.lake)
    with context.registry.client() as client:
        run = client.get_run(version.run_id)
        source = client.get_model_version(context.registry.name, version.number).source
    assert run.info.artifact_uri.startswith("mlflow-artifacts:")
    assert source == report.model_uri
    examples = bundle.manifest.examples
    loaded = mlflow.pyfunc.load_model(f"models:/{context.registry.name}@{STAGING}")
    probabilities = loaded.predict(np.array(examples.inputs, dtype=np.float32))[:, 1]
    assert probabilities == pytest.approx(examples.expected)
