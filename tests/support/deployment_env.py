"""A deployment to test: a lake with gold data, and a registry with versions of small models."""

from __future__ import annotations

import functools
import json
import shutil
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pipeline.context import Context, open_context
from pipeline.model import export, onnx
from pipeline.model.bundle import ARTIFACT_FOLDER, Bundle, Lineage
from pipeline.model.training_data import TrainingData
from pipeline.settings import Settings
from pipeline.settings.connections import LakeSettings
from pipeline.storage.artifacts.deployment import ValidationReport
from pipeline.storage.lake import sha256_hex
from pipeline.storage.layout import PROMOTION_LOG, SPLITS, gold_split, validation_report
from pipeline.storage.parquet import from_parquet
from pipeline.tracking.registry import PREVIOUS, PRODUCTION, STAGING, Registry
from tests.support.forest import export_bundle, fit_forest
from tests.support.versions import register_bundle, register_empty

Kind = Literal["good", "better", "weak", "backwards"]
"""`good` and `better` pass every gate; `weak` is trained on shuffled labels, `backwards` on flipped
ones."""

GOLD_RUN = "gold-1"


@functools.cache
def trained(lake: Path, kind: Kind) -> Bundle:
    """A bundle of that kind, trained on the lake's gold data; its manifest has no version yet."""
    contents = {name: (lake / gold_split(GOLD_RUN, name)).read_bytes() for name in SPLITS}
    splits = {name: TrainingData.from_frame(from_parquet(data)) for name, data in contents.items()}
    train, validation = splits["train"], splits["validation"]
    if kind == "weak":
        train = train._replace(labels=np.random.default_rng(1).permutation(train.labels))
    elif kind == "backwards":
        train = train._replace(labels=1 - train.labels)
    trees, leaf, missed = (1, 675, 0.2) if kind == "good" else (30, 120, 0.05)
    options = {"max_features": None, "class_weight": None, "random_state": 0}
    forest = fit_forest(train, trees, leaf, **options)
    lineage = Lineage(
        pipeline_run_id=GOLD_RUN,
        bronze="b",
        silver="s",
        gold={name: sha256_hex(data) for name, data in contents.items()},
        code_version="unknown",
        image="none",
    )
    session = onnx.open_graph(export.to_onnx(forest))
    positives = validation.rows[validation.labels == 1]
    threshold = float(np.quantile(onnx.positive_probability(session, positives), missed))
    rows = splits["test"].rows
    return export_bundle(forest, rows, threshold, background_rows=5, lineage=lineage)


class DeploymentEnv:
    """A registered model, a lake with gold data, and the contexts of runs on both."""

    def __init__(self, mlflow: dict[str, str], name: str, survey: Path, lake: Path) -> None:
        """Copy the gold data.

        Args:
            mlflow: Settings of MLflow's address.
            name: Name of the registered model.
            survey: Folder of a lake with the gold data of GOLD_RUN.
            lake: Folder for the lake.
        """
        self._survey = survey
        shutil.copytree(survey, lake)
        self._sections: dict[str, dict[str, Any]] = {
            "lake": {"url": f"file://{lake}"},
            "mlflow": {**mlflow, "name": name},
            "predictor": {"require_record": False},  # the tests move aliases themselves
            # A larger rate needs fewer permutations.
            "drift": {"max_false_positive_rate": 0.02},
            "deployment": {
                "rollout_timeout_seconds": 2,
                "watch_period_seconds": 0.2,
                "poll_interval_seconds": 0.05,
            },
        }
        self.registry = Registry(self.context("any").settings.mlflow)

    def move_to(self, lake: LakeSettings) -> None:
        """Use another lake, which is empty."""
        self._sections["lake"] = lake.model_dump()

    def context(self, run_id: str, **sections: dict[str, Any]) -> Context:
        """A context; keywords are sections of the settings, which are merged."""
        merged = {
            name: self._sections.get(name, {}) | sections.get(name, {})
            for name in self._sections | sections
        }
        return open_context(Settings.model_validate(merged), run_id)

    def register(self, kind: Kind, alias: str | None = STAGING, **changes: Any) -> str:
        """Register a model of that kind; `changes` are fields of its manifest."""
        return self.register_bundle(trained(self._survey, kind), alias, **changes)

    def register_bundle(self, bundle: Bundle, alias: str | None = STAGING, **changes: Any) -> str:
        """Register a bundle as the stage `register` does; return the version's number."""
        aliases = () if alias is None else (alias,)
        tags = {"pipeline_run_id": GOLD_RUN}
        return register_bundle(self.registry, bundle, *aliases, tags=tags, **changes)

    def again(self, number: str, alias: str) -> str:
        """Register the model of a version as another version, and give that the alias."""
        old = self.registry.get_version(number)
        with self.registry.client() as client:
            artifacts = client.get_run(old.run_id).info.artifact_uri
        source = f"{artifacts}/{ARTIFACT_FOLDER}"
        new = self.registry.register(source, old.run_id, old.tags).number
        self.registry.set_alias(alias, new)
        return new

    def bare(self, *aliases: str, **tags: str) -> str:
        """Register a version without a model, to test the moves of aliases."""
        _, number = register_empty(self.registry, tags)
        for alias in aliases:
            self.registry.set_alias(alias, number)
        return number

    def verdict(self, run_id: str, candidate: str, champion: str | None, **changes: Any) -> None:
        """Write the report of a `validate` that passed the candidate."""
        facts: dict[str, Any] = {
            "run_id": run_id,
            "created_at": "2026-01-01T00:00:00+00:00",
            "passed": True,
            "candidate": candidate,
            "champion": champion,
            "production": champion,
            "decision": "every gate holds",
            "metrics": {},
            "difference": {},
            "notes": [],
            "gates": [],
        }
        report = ValidationReport(**(facts | changes))
        self.context(run_id).lake.write_model(validation_report(run_id), report)

    def aliases(self) -> dict[str, str | None]:
        """The version of each alias."""
        return {alias: self._get_number(alias) for alias in (STAGING, PRODUCTION, PREVIOUS)}

    def log(self) -> list[tuple[str, str | None, str]]:
        """The promotion log: action, from and to of each record."""
        lines = self.context("any").lake.read(PROMOTION_LOG).decode().splitlines()
        return [(entry["action"], entry["from"], entry["to"]) for entry in map(json.loads, lines)]

    def production(self) -> str | None:
        """The version in production."""
        return self._get_number(PRODUCTION)

    def _get_number(self, alias: str) -> str | None:
        version = self.registry.get_by_alias(alias)
        return None if version is None else version.number
