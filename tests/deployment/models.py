"""Small models, really trained and exported, and their versions in a registry."""

from __future__ import annotations

import functools
import json
import pickle
import shutil
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime as ort

from pipeline.columns import FEATURE_NAMES, LABEL
from pipeline.context import Context, open_context
from pipeline.model.bundle import (
    ARTIFACT_FOLDER,
    MANIFEST,
    ONNX,
    ONNX_INPUT,
    ONNX_OUTPUT,
    PICKLE,
    Bundle,
    Examples,
    Lineage,
    Manifest,
)
from pipeline.settings import LakeSettings, Settings
from pipeline.storage.artifacts import ValidationReport
from pipeline.storage.lake import sha256_hex
from pipeline.storage.layout import PROMOTION_LOG, validation_report
from pipeline.storage.parquet import from_parquet
from pipeline.tracking.registry import MANIFEST_TAG, PREVIOUS, PRODUCTION, STAGING, Registry

Kind = Literal["good", "better", "weak", "backwards"]
"""`good` and `better` hold every gate; `weak` learned from shuffled labels, `backwards` from flipped ones."""

GOLD_RUN = "gold-1"


@functools.cache
def trained(lake: Path, kind: Kind) -> Bundle:
    """A forest of that kind on the lake's gold; its manifest names no version yet."""
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.ensemble import RandomForestClassifier

    splits = {
        name: (lake / f"gold/{GOLD_RUN}/{name}.parquet").read_bytes()
        for name in ("train", "validation", "test")
    }
    gold = {name: from_parquet(data) for name, data in splits.items()}
    rows, label = (
        gold["train"][list(FEATURE_NAMES)].to_numpy(np.float32).astype(float),
        gold["train"][LABEL.name].to_numpy(),
    )
    if kind == "weak":
        label = np.random.default_rng(1).permutation(label)
    elif kind == "backwards":
        label = 1 - label
    trees, leaf = (4, 150) if kind == "good" else (30, 20)
    model = RandomForestClassifier(
        trees, min_samples_leaf=leaf, max_features=None, random_state=0, class_weight="balanced"
    )
    model.fit(rows, label)
    graph = convert_sklearn(
        model,
        initial_types=[(ONNX_INPUT, FloatTensorType([None, len(FEATURE_NAMES)]))],
        final_types=[("label", None), (ONNX_OUTPUT, None)],
        options={id(model): {"zipmap": False}},
    ).SerializeToString()
    files = {ONNX: graph, PICKLE: pickle.dumps(model)}
    session = ort.InferenceSession(graph)
    validation = gold["validation"]
    positives = validation[validation[LABEL.name] == 1][list(FEATURE_NAMES)].to_numpy(np.float32)
    threshold = float(
        np.quantile(session.run([ONNX_OUTPUT], {ONNX_INPUT: positives})[0][:, 1], 0.1)
    )
    examples = gold["test"][list(FEATURE_NAMES)].to_numpy(float)[:20].tolist()
    answered = session.run([ONNX_OUTPUT], {ONNX_INPUT: np.asarray(examples, np.float32)})[0][:, 1]
    manifest = Manifest(
        name="model",
        family="forest",
        run_id="unset",
        created="2026-01-01T00:00:00+00:00",
        threshold=threshold,
        features=list(FEATURE_NAMES),
        files={name: sha256_hex(data) for name, data in files.items()},
        lineage=Lineage(
            pipeline_run_id=GOLD_RUN,
            bronze="b",
            silver="s",
            gold={name: sha256_hex(data) for name, data in splits.items()},
            code_version="unknown",
            image="none",
        ),
        examples=Examples(inputs=examples, fail_probability=[float(value) for value in answered]),
        background=examples[:5],
    )
    return Bundle(manifest, files)


class World:
    """A registered model of its own on the server, a lake with gold, and the contexts of runs on both."""

    def __init__(self, mlflow: dict[str, str], name: str, survey: Path, lake: Path) -> None:
        self._survey = survey
        shutil.copytree(survey, lake)
        self._sections: dict[str, dict[str, Any]] = {
            "lake": {"url": f"file://{lake}"},
            "mlflow": {**mlflow, "name": name},
            "deployment": {
                "rollout_timeout_seconds": 2,
                "watch_period_seconds": 0.2,
                "poll_interval_seconds": 0.05,
            },
        }
        self.registry = Registry(self.context("any").settings.mlflow)

    def move_to(self, lake: LakeSettings) -> None:
        """Takes another, empty, lake."""
        self._sections["lake"] = lake.model_dump()

    def context(self, run_id: str, **sections: dict[str, Any]) -> Context:
        """A context; keywords add to the sections of the settings."""
        merged = {
            name: self._sections.get(name, {}) | sections.get(name, {})
            for name in self._sections | sections
        }
        return open_context(Settings.model_validate({**merged, "bootstrap_samples": 50}), run_id)

    def register(self, kind: Kind, alias: str | None = STAGING, **changes: Any) -> str:
        """Registers a model of that kind, as the stage `register` does; `changes` are fields of its manifest."""
        return self.register_bundle(trained(self._survey, kind), alias, **changes)

    def register_bundle(self, bundle: Bundle, alias: str | None = STAGING, **changes: Any) -> str:
        """Registers this bundle; returns the version's number."""
        from mlflow import MlflowClient

        client = MlflowClient(self.registry.settings.tracking_uri)
        run = client.create_run(self.registry.get_or_create_experiment())
        run_id = run.info.run_id
        self.registry.log_artifacts(run_id, bundle.files, ARTIFACT_FOLDER)
        version = self.registry.register(
            f"{run.info.artifact_uri}/{ARTIFACT_FOLDER}", run_id, {"pipeline_run_id": GOLD_RUN}
        )
        facts = {"run_id": run_id, "version": version.number, "name": self.registry.name} | changes
        raw = bundle.manifest.model_copy(update=facts).to_bytes()
        self.registry.log_artifacts(run_id, {MANIFEST: raw}, ARTIFACT_FOLDER)
        self.registry.set_tag(version.number, MANIFEST_TAG, sha256_hex(raw))
        if alias is not None:
            self.registry.set_alias(alias, version.number)
        return version.number

    def again(self, number: str, alias: str) -> str:
        """Registers the model of a version once more, as another version, and gives it the alias."""
        from mlflow import MlflowClient

        old = self.registry.get_version(number)
        place = (
            MlflowClient(self.registry.settings.tracking_uri).get_run(old.run_id).info.artifact_uri
        )
        new = self.registry.register(f"{place}/{ARTIFACT_FOLDER}", old.run_id, old.tags).number
        self.registry.set_alias(alias, new)
        return new

    def bare(self, *aliases: str, **tags: str) -> str:
        """Registers a version without a model, for what moves aliases alone."""
        from mlflow import MlflowClient

        client = MlflowClient(self.registry.settings.tracking_uri)
        run = client.create_run(self.registry.get_or_create_experiment())
        number = self.registry.register(
            f"{run.info.artifact_uri}/{ARTIFACT_FOLDER}", run.info.run_id, tags
        ).number
        for alias in aliases:
            self.registry.set_alias(alias, number)
        return number

    def verdict(self, run_id: str, candidate: str, champion: str | None, **changes: Any) -> None:
        """Writes what `validate` writes when it passes the candidate."""
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
        found = {
            alias: self.registry.get_by_alias(alias) for alias in (STAGING, PRODUCTION, PREVIOUS)
        }
        return {
            alias: None if version is None else version.number for alias, version in found.items()
        }

    def log(self) -> list[tuple[str, str | None, str]]:
        """What promotions.jsonl says: action, from, to."""
        lines = self.context("any").lake.read(PROMOTION_LOG).decode().splitlines()
        return [(entry["action"], entry["from"], entry["to"]) for entry in map(json.loads, lines)]

    def production(self) -> str | None:
        found = self.registry.get_by_alias(PRODUCTION)
        return None if found is None else found.number
