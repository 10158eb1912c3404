"""Recipes: what challenges compare. Retraining by one recipe makes many models."""

from __future__ import annotations

from typing import Any

from pipeline.errors import LakeError
from pipeline.evaluation.datasets import find_train_report
from pipeline.model.bundle import Manifest
from pipeline.settings.training import TrainSettings
from pipeline.storage.artifacts.base import Artifact
from pipeline.storage.lake import Lake


class Recipe(Artifact):
    """How a model was made, apart from its rows.

    Attributes:
        candidate: Name of the candidate; the family if the report of `train` is missing.
        parameters: Its parameters.
        settings: The settings of `train`; None if its report is missing.
        code_version: Version of the code that trained it.
    """

    candidate: str
    parameters: dict[str, Any]
    settings: TrainSettings | None
    code_version: str

    def equals_but_for_code(self, other: Recipe) -> bool:
        """Whether both are known, and differ at most in the code version."""
        ignored = {"code_version"}
        same = self.model_dump(exclude=ignored) == other.model_dump(exclude=ignored)
        return self.settings is not None and same


def read_recipe(lake: Lake, manifest: Manifest) -> Recipe:
    """Read how a model was made from the report of `train`, or what its manifest knows of it."""
    code_version = manifest.lineage.code_version
    try:
        report = find_train_report(lake, manifest)
    except LakeError:
        report = None
    if report is None:
        return Recipe(
            candidate=manifest.family, parameters={}, settings=None, code_version=code_version
        )
    return Recipe(
        candidate=report.candidate,
        parameters=report.parameters,
        settings=report.inputs.settings,
        code_version=code_version,
    )
