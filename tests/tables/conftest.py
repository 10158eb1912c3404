"""A table that `adopt` has described, through the data stages, and a model of it.

A process knows one columns file, so each table has a process of its own: test_tables.py in
tests/data runs the tests of this folder for each table, and pytest does not collect them otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from pipeline.context import Context, open_context
from pipeline.model.bundle import Bundle
from pipeline.model.calibration import fit_calibrated
from pipeline.model.candidates import CANDIDATES
from pipeline.model.export import describe_training, make_background
from pipeline.model.selection import Selection
from pipeline.model.training_data import TrainingData
from pipeline.settings import Settings
from pipeline.stages import features, ingest, preprocess
from pipeline.storage.layout import silver_rows
from pipeline.storage.parquet import from_parquet
from tests.support.forest import export_bundle
from tests.support.tables import DATA, VARIABLE

collect_ignore_glob = [] if VARIABLE in os.environ else ["test_*.py"]


@pytest.fixture(scope="session")
def context() -> Context:
    """A context in which the data stages ran."""
    folder = Path(os.environ[VARIABLE])
    settings = Settings.model_validate(
        {"lake": {"url": f"file://{folder}/lake"}, "ingest": {"source": str(folder / DATA)}}
    )
    made = open_context(settings, "run-1")
    for stage in (ingest, preprocess, features):
        stage.run(made)
    return made


@pytest.fixture(scope="session")
def silver(context: Context) -> pd.DataFrame:
    """The valid rows."""
    return from_parquet(context.lake.read(silver_rows("run-1")))


@pytest.fixture(scope="session")
def data(silver: pd.DataFrame) -> TrainingData:
    """The same rows as a model learns from them."""
    return TrainingData.from_frame(silver)


@pytest.fixture(scope="session")
def bundle(data: TrainingData) -> Bundle:
    """A model of the rows."""
    return fit_bundle(data)


@pytest.fixture
def make_bundle() -> Callable[[TrainingData], Bundle]:
    """Makes a model of rows."""
    return fit_bundle


def fit_bundle(data: TrainingData) -> Bundle:
    """Fit the last candidate, and export it as the stage `train` does."""
    fitted = fit_calibrated(Selection(CANDIDATES[-1], 0.5, {}), data, folds=2, seed=0)
    return export_bundle(
        fitted.model,
        data.rows,
        fitted.threshold,
        background_rows=0,
        background=make_background(data.rows, seed=0),
        training=describe_training(data, 0.5, fitted.predict(data.rows)),
    )
