"""Gold of generated rows, and a training of it: done once, copied for each test."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.context import Context, open_context
from pipeline.model.training import TrainingResult, train_candidate
from pipeline.model.training_data import TrainingData
from pipeline.settings import Settings
from pipeline.stages import features, ingest, preprocess, train
from pipeline.storage.lake import Lake
from pipeline.storage.parquet import from_parquet
from tests.support.lake import read_json, write_json
from tests.support.mlflow_server import mlflow_server

RUN = "run-1"
QUICK: dict[str, Any] = {"train": {"folds": 2}, "ingest": {"source": "sample:1000"}}
"""Settings under which a training takes seconds."""


@pytest.fixture(scope="session")
def gold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake's folder with the gold of run `run-1`."""
    folder = tmp_path_factory.mktemp("gold")
    context = open_context(
        Settings.model_validate({"lake": {"url": f"file://{folder}"}, **QUICK}), RUN
    )
    for stage in (ingest, preprocess, features):
        stage.run(context)
    return folder


@pytest.fixture(scope="session")
def splits(gold: Path) -> dict[str, TrainingData]:
    """The gold splits."""
    return {
        name: TrainingData.from_frame(
            from_parquet((gold / f"gold/{RUN}/{name}.parquet").read_bytes())
        )
        for name in ("train", "validation", "test")
    }


@pytest.fixture(scope="session")
def learned(splits: dict[str, TrainingData]) -> TrainingResult:
    """What training finds in that gold."""
    return train_candidate(splits["train"], splits["validation"], Settings.model_validate(QUICK))


@pytest.fixture
def at_hand(monkeypatch: pytest.MonkeyPatch, learned: TrainingResult) -> TrainingResult:
    """Training that need not think: it finds again what it found in the same gold. All else of the stage is done."""
    monkeypatch.setattr(train, "train_candidate", lambda *_: learned)
    return learned


@pytest.fixture(scope="session")
def mlflow_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real MLflow server, artifacts proxied, as in the cluster."""
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as url:
        yield url


@pytest.fixture
def new_context(
    request: pytest.FixtureRequest, gold: Path, tmp_path: Path
) -> Callable[..., Context]:
    """Contexts on a copy of that lake and an experiment of the test's own; keywords are settings, or sections of them.

    The stages that are killed at every write make thousands of requests: they take MLflow's store without the server.
    """
    killed = "killed" in request.function.__name__
    place = (
        request.getfixturevalue("mlflow_file")
        if killed
        else {"tracking_uri": request.getfixturevalue("mlflow_url")}
    )
    shutil.copytree(gold, tmp_path / "lake")
    own = uuid.uuid4().hex[:12]

    def make(run_id: str = RUN, mlflow_name: str = "model", **sections: Any) -> Context:
        mlflow = {**place, "name": f"{mlflow_name}-{own}"}
        everything: dict[str, Any] = {
            "lake": {"url": f"file://{tmp_path}/lake"},
            "mlflow": mlflow,
            **QUICK,
            **sections,
        }
        return open_context(Settings.model_validate(everything), run_id)

    return make


def copy_gold(lake: Lake, run_id: str) -> None:
    """The same gold, as of another run."""
    for key in lake.keys(f"gold/{RUN}/"):
        lake.write(key.replace(RUN, run_id), lake.read(key))
    write_json(
        lake,
        f"gold/{run_id}/manifest.json",
        read_json(lake, f"gold/{RUN}/manifest.json") | {"run_id": run_id},
    )
