"""Bundles of small forests, trained on generated rows and exported as the stage `train` does."""

from __future__ import annotations

import csv
import functools
import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.columns import FEATURE_NAMES, FEATURES, LABEL
from pipeline.data.synthetic import generate_csv
from pipeline.model.bundle import REFITS, Bundle, Lineage, Manifest, RefitFacts
from pipeline.model.calibration import FittedModel
from pipeline.model.candidates import positive_probability
from pipeline.model.export import describe_training, export_files, make_examples
from pipeline.model.metrics import Predictions
from pipeline.model.refit_graph import export_refits
from pipeline.model.stability import MIN_REFITS, Refits
from pipeline.model.training_data import TrainingData
from pipeline.settings.training import TrainSettings
from pipeline.storage.artifacts.base import Interval
from pipeline.storage.artifacts.gates import GateResult
from pipeline.storage.lake import sha256_hex
from pipeline.types import Float32Array

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

ROWS = 1_000
LINEAGE = Lineage(
    pipeline_run_id="run-1",
    bronze="b" * 64,
    silver="c" * 64,
    gold={"train": "d" * 64, "validation": "e" * 64, "test": "f" * 64},
    code_version="test",
    image="none",
)


def generate_rows(rows: int, seed: int = 20) -> TrainingData:
    """Generate rows with labels."""
    table = list(csv.DictReader(io.StringIO(generate_csv(rows, seed).decode())))
    inputs = np.array(
        [[float(row[feature.raw]) for feature in FEATURES] for row in table], np.float32
    )
    labels = np.array([int(float(row[LABEL.raw]) == LABEL.positive_raw) for row in table])
    return TrainingData(inputs, labels)


def fit_forest(data: TrainingData, trees: int, min_samples_leaf: int, **options: Any) -> Pipeline:
    """Fit a forest, by default with balanced classes; `options` are those of scikit-learn."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline

    options = {"class_weight": "balanced", **options}
    forest = RandomForestClassifier(trees, min_samples_leaf=min_samples_leaf, **options)
    return make_pipeline(forest).fit(data.rows, data.labels)


def export_bundle(
    model: Pipeline, rows: Float32Array, threshold: float, background_rows: int, **fields: Any
) -> Bundle:
    """Export a model as a bundle.

    Args:
        model: The fitted model.
        rows: Rows for the examples and the background, shape (n_rows, n_features).
        threshold: The model's threshold.
        background_rows: Number of rows of the background.
        fields: Other fields of the manifest.
    """
    files = export_files(model)
    facts: dict[str, Any] = {
        "name": "student-performance",
        "family": "random_forest",
        "run_id": "run-a",
        "created": "2026-01-01T00:00:00+00:00",
        "threshold": threshold,
        "features": list(FEATURE_NAMES),
        "files": {name: sha256_hex(data) for name, data in files.items()},
        "lineage": LINEAGE,
        "examples": make_examples(model, seed=0),
        "background": rows[:background_rows].tolist(),
    }
    return Bundle(Manifest(**(facts | fields)), files)


@functools.cache
def train_forest(trees: int = 20, seed: int = 0) -> Pipeline:
    """Train a forest on generated rows; another seed gives another model."""
    return fit_forest(generate_rows(ROWS), trees, min_samples_leaf=5, random_state=seed)


@functools.cache
def train_refits() -> Refits:
    """Train small forests on halves of generated rows, which disagree about some of them."""
    return fit_on_halves(
        generate_rows(ROWS),
        lambda half, seed: fit_forest(half, 3, min_samples_leaf=5, random_state=seed),
    )


def fit_on_halves(data: TrainingData, fit: Callable[[TrainingData, int], Pipeline]) -> Refits:
    """Fit as few refits as a bundle may have, on alternating halves of the rows.

    Args:
        data: The rows.
        fit: Fits a model to rows with a seed.
    """
    halves = [data.take(np.arange(first, data.labels.size, 2)) for first in (0, 1)]
    models = [fit(halves[seed % 2], seed) for seed in range(MIN_REFITS)]
    return Refits([FittedModel(model, 0.5) for model in models], fraction=0.5)


@functools.cache
def _export_trained_refits() -> tuple[bytes, RefitFacts]:
    return _export(train_refits())


def _export(refits: Refits) -> tuple[bytes, RefitFacts]:
    exported = export_refits(refits, TrainSettings().max_refits_mib << 20)
    assert exported is not None
    return exported


@functools.cache
def make_bundle(
    version: str | None = "1",
    run_id: str = "run-a",
    trees: int = 20,
    seed: int = 0,
    background_rows: int = 100,
) -> Bundle:
    """Return a bundle with a complete manifest; another seed gives another model."""
    data, model = generate_rows(ROWS), train_forest(trees, seed)
    predictions = Predictions(positive_probability(model, data.rows), 0.5)
    bundle = export_bundle(
        model,
        data.rows,
        threshold=0.5,
        background_rows=background_rows,
        run_id=run_id,
        version=version,
        training=describe_training(data, 0.125, predictions),
        metrics={"roc_auc": Interval(value=0.8, low=0.7, high=0.9)},
        cautions=["The rows are generated"],
        gates=[
            GateResult(name="min_roc_auc", bound=0.65, reason="ranking", value=0.8, passed=True)
        ],
    )
    return add_refits(bundle)


def add_refits(bundle: Bundle, refits: Refits | None = None) -> Bundle:
    """Return a bundle with exported refits, by default those of `train_refits`."""
    graph, facts = _export(refits) if refits else _export_trained_refits()
    files = {**bundle.manifest.files, REFITS: sha256_hex(graph)}
    manifest = bundle.manifest.model_copy(update={"files": files, "refits": facts})
    return Bundle(manifest, {**bundle.files, REFITS: graph})
