"""Gold data and a training on it, made once, and contexts that start from them."""

from __future__ import annotations

import dataclasses
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.context import Context, open_context
from pipeline.model.training import TrainingResult, train_candidate
from pipeline.model.training_data import TrainingData
from pipeline.model.training_export import ExportedTraining, export_training
from pipeline.settings import Settings
from pipeline.stages import evaluate, register, train
from pipeline.storage.layout import SPLITS, gold_split
from pipeline.storage.parquet import from_parquet
from tests.support.gold import RUN, make_gold
from tests.support.shared import compute_once

UseTraining = Callable[[pytest.MonkeyPatch, TrainingResult], None]

QUICK: dict[str, Any] = {"train": {"folds": 2}, "ingest": {"source": "sample:1000"}}
"""Settings with which a training takes seconds."""


@pytest.fixture(scope="session")
def gold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a lake with the gold data of RUN."""
    lake: Path = compute_once(
        tmp_path_factory, "gold", lambda folder: make_gold(folder, RUN, **QUICK)
    )
    return lake


@pytest.fixture(scope="session")
def splits(gold: Path) -> dict[str, TrainingData]:
    """The splits of the gold data, by name."""
    return {
        name: TrainingData.from_frame(from_parquet((gold / gold_split(RUN, name)).read_bytes()))
        for name in SPLITS
    }


@pytest.fixture(scope="session")
def learned(
    splits: dict[str, TrainingData], tmp_path_factory: pytest.TempPathFactory
) -> TrainingResult:
    """The result of a training on the gold data."""
    settings = Settings.model_validate(QUICK)
    result: TrainingResult = compute_once(
        tmp_path_factory,
        "learned",
        lambda _: train_candidate(splits["train"], splits["validation"], settings),
    )
    return result


@pytest.fixture(scope="session")
def use_training() -> UseTraining:
    """Let the stage `train` use a result; it does the rest itself, but exports a result only once.

    An export needs a second.
    """
    exports: dict[tuple[int, int], tuple[TrainingResult, ExportedTraining]] = {}

    def export_once(result: TrainingResult, settings: Settings) -> ExportedTraining:
        key = id(result), settings.seed
        if key not in exports:
            exports[key] = result, export_training(result, settings)  # keeps the result, so its id
        exported = exports[key][1]
        return dataclasses.replace(exported, files=dict(exported.files))

    def use(patch: pytest.MonkeyPatch, result: TrainingResult) -> None:
        patch.setattr(train, "train_candidate", lambda *_: result)
        patch.setattr(train, "export_training", export_once)

    return use


@pytest.fixture
def pretrained(
    monkeypatch: pytest.MonkeyPatch, learned: TrainingResult, use_training: UseTraining
) -> TrainingResult:
    """Let the stage `train` use the result of `learned`."""
    use_training(monkeypatch, learned)
    return learned


@pytest.fixture
def new_context(mlflow_file: dict[str, str], gold: Path, tmp_path: Path) -> Callable[..., Context]:
    """Make contexts on a copy of the gold data, with an MLflow experiment of the test's own.

    MLflow stores into a SQLite file, which is faster than a server. The keyword arguments of the
    fixture's function are settings or sections of them; they replace those of the fixture.
    """
    return _contexts_on_copy(mlflow_file, gold, tmp_path / "lake")


@pytest.fixture(scope="session")
def registered(
    mlflow_file: dict[str, str],
    gold: Path,
    learned: TrainingResult,
    use_training: UseTraining,
    tmp_path_factory: pytest.TempPathFactory,
) -> Context:
    """A context in which train, evaluate and register ran, for tests that change none of it.

    The stage `train` used the result of `learned`.
    """
    make = _contexts_on_copy(mlflow_file, gold, tmp_path_factory.mktemp("registered") / "lake")
    context = make(code_version="abc", image="train:1")
    with pytest.MonkeyPatch.context() as patch:
        use_training(patch, learned)
        for stage in (train, evaluate, register):
            stage.run(context)
    return context


def _contexts_on_copy(mlflow: dict[str, str], gold: Path, lake: Path) -> Callable[..., Context]:
    """Copy the gold data, and return a function that makes contexts on the copy."""
    shutil.copytree(gold, lake)
    suffix = uuid.uuid4().hex[:12]

    def make(run_id: str = RUN, mlflow_name: str = "model", **sections: Any) -> Context:
        defaults: dict[str, Any] = {
            "lake": {"url": f"file://{lake}"},
            "mlflow": {**mlflow, "name": f"{mlflow_name}-{suffix}"},
            **QUICK,
        }
        return open_context(Settings.model_validate(defaults | sections), run_id)

    return make
