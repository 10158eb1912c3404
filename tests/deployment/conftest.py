"""Deployment environments: a lake with gold data, and a registry of its own for each test."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from tests.support.deployment_env import GOLD_RUN, DeploymentEnv
from tests.support.gold import make_gold
from tests.support.shared import compute_once


@pytest.fixture(scope="session")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with the gold splits of 6,000 generated rows, of the run `gold-1`."""
    source = {"source": "sample:6000"}
    lake: Path = compute_once(
        tmp_path_factory, "survey", lambda folder: make_gold(folder, GOLD_RUN, ingest=source)
    )
    return lake


@pytest.fixture
def env(mlflow_file: dict[str, str], survey: Path, tmp_path: Path) -> DeploymentEnv:
    """An environment on MLflow's own store, without a server in front of it."""
    return DeploymentEnv(mlflow_file, f"model-{uuid.uuid4().hex[:12]}", survey, tmp_path / "lake")


@pytest.fixture
def server_env(mlflow_url: str, survey: Path, tmp_path: Path) -> DeploymentEnv:
    """An environment on an MLflow server, which is slower."""
    mlflow = {"tracking_uri": mlflow_url}
    return DeploymentEnv(mlflow, f"model-{uuid.uuid4().hex[:12]}", survey, tmp_path / "lake")
