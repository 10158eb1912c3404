"""Bundles of a small forest, trained on generated rows and exported as the stage `train` does."""

from __future__ import annotations

import csv
import functools
import io
from typing import TYPE_CHECKING

import numpy as np

from pipeline.columns import FEATURE_NAMES, FEATURES, LABEL
from pipeline.data.synthetic import generate_csv
from pipeline.model.bundle import Bundle, Lineage, Manifest
from pipeline.model.export import export_files, make_examples
from pipeline.storage.artifacts import GateResult, Interval
from pipeline.storage.lake import sha256_hex
from pipeline.types import Float32Array, IntArray

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

ROWS = 1_000


def generate_rows(rows: int, seed: int = 20) -> tuple[Float32Array, IntArray]:
    """Generate features, shape (rows, n_features), and labels, 1 for the positive class."""
    table = list(csv.DictReader(io.StringIO(generate_csv(rows, seed).decode())))
    inputs = np.array(
        [[float(row[feature.raw]) for feature in FEATURES] for row in table], np.float32
    )
    labels = np.array([int(float(row[LABEL.raw]) == LABEL.positive_raw) for row in table])
    return inputs, labels


@functools.cache
def train_forest(trees: int = 20, seed: int = 0) -> Pipeline:
    """Train a forest on generated rows; another seed gives another model."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline

    forest = RandomForestClassifier(
        trees, min_samples_leaf=5, class_weight="balanced", random_state=seed
    )
    return make_pipeline(forest).fit(*generate_rows(ROWS))


@functools.cache
def make_bundle(
    version: str | None = "1",
    run_id: str = "run-a",
    trees: int = 20,
    seed: int = 0,
    background_rows: int = 100,
) -> Bundle:
    """Return a bundle with a complete manifest; another seed gives another model."""
    model = train_forest(trees, seed)
    files = export_files(model)
    inputs, _ = generate_rows(ROWS)
    manifest = Manifest(
        name="student-performance",
        family="random_forest",
        run_id=run_id,
        version=version,
        created="2026-01-01T00:00:00+00:00",
        threshold=0.5,
        features=list(FEATURE_NAMES),
        files={name: sha256_hex(data) for name, data in files.items()},
        lineage=Lineage(
            pipeline_run_id="run-1",
            bronze="b" * 64,
            silver="c" * 64,
            gold={"train": "d" * 64, "validation": "e" * 64, "test": "f" * 64},
            code_version="test",
            image="none",
        ),
        examples=make_examples(model, inputs, seed=0),
        background=inputs[:background_rows].tolist(),
        metrics={"roc_auc": Interval(value=0.8, low=0.7, high=0.9)},
        gates=[
            GateResult(name="min_roc_auc", bound=0.65, reason="ranking", value=0.8, passed=True)
        ],
    )
    return Bundle(manifest, files)
