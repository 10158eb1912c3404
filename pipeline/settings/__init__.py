"""The settings of stages and commands: `Settings`, and a module per topic with its sections.

`Settings.load()` reads them from environment variables (environment.py). The predictor's own
settings are in serving/settings.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field, model_validator

from pipeline.environment import EnvironmentSettings
from pipeline.renamed_settings import RENAMED
from pipeline.settings.connections import (
    DaskSettings,
    LakeSettings,
    MlflowSettings,
    PredictorClientSettings,
)
from pipeline.settings.data import (
    FeaturesSettings,
    IngestSettings,
    PreprocessSettings,
    ScoreSettings,
)
from pipeline.settings.deployment import DeploymentSettings
from pipeline.settings.drift import DriftSettings
from pipeline.settings.evaluation import CardSettings, GateSettings
from pipeline.settings.retention import RetentionSettings
from pipeline.settings.training import TrainSettings


class Settings(EnvironmentSettings):
    """All settings of stages and commands; `Settings.load()` reads the environment."""

    renamed: ClassVar[Mapping[str, str]] = RENAMED

    seed: int = Field(default=20, ge=0)
    """Seed of every random choice: splits, folds and models."""
    columns: str = ""
    """Columns file, which describes the data; empty for the survey's (pipeline/columns.yaml)."""
    code_version: str = "unknown"
    """Version of this code, recorded as lineage. Images set it."""
    image: str = "none"
    """Name of the running image, recorded as lineage."""
    secrets_folder: str = ""
    """Folder with further variables, a file for each, such as AWS_ACCESS_KEY_ID. A variable that is
    set already keeps its value."""
    lake: LakeSettings = LakeSettings()
    dask: DaskSettings = DaskSettings()
    mlflow: MlflowSettings = MlflowSettings()
    ingest: IngestSettings = IngestSettings()
    preprocess: PreprocessSettings = PreprocessSettings()
    features: FeaturesSettings = FeaturesSettings()
    train: TrainSettings = TrainSettings()
    gates: GateSettings = GateSettings()
    card: CardSettings = CardSettings()
    drift: DriftSettings = DriftSettings()
    deployment: DeploymentSettings = DeploymentSettings()
    score: ScoreSettings = ScoreSettings()
    retention: RetentionSettings = RetentionSettings()
    predictor: PredictorClientSettings = PredictorClientSettings()

    @model_validator(mode="after")
    def _check_lock_timeout(self) -> Settings:
        if self.deployment.lock_timeout_seconds < 2 * self.mlflow.max_request_seconds:
            raise ValueError(
                "MLOPS_DEPLOYMENT__LOCK_TIMEOUT_SECONDS is "
                f"{self.deployment.lock_timeout_seconds}, but one request to MLflow can take "
                f"{self.mlflow.max_request_seconds:g} s with its retries; set it to at least twice "
                "that"
            )
        return self
