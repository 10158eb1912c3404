"""Bundles of a forest that is really trained, on generated rows, and exported as the train stage exports one."""

from __future__ import annotations

import csv
import functools
import io
import pickle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.columns import FEATURE_NAMES, FEATURES, LABEL
from pipeline.data.synthetic import generate_csv
from pipeline.model.bundle import (
    ONNX,
    ONNX_INPUT,
    ONNX_OUTPUT,
    PICKLE,
    Bundle,
    Examples,
    Lineage,
    Manifest,
)
from pipeline.storage.artifacts import GateResult, Interval
from pipeline.storage.lake import sha256_hex


def survey(rows: int, seed: int = 20) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Generated rows as the model takes them, and their labels (1 for the positive one)."""
    table = list(csv.DictReader(io.StringIO(generate_csv(rows, seed).decode())))
    inputs = np.array(
        [[float(row[feature.raw]) for feature in FEATURES] for row in table], np.float32
    )
    labels = np.array([int(float(row[LABEL.raw]) == LABEL.positive_raw) for row in table])
    return inputs, labels


@functools.cache
def trained(trees: int = 20, seed: int = 0) -> tuple[Any, bytes]:
    """A forest, and its ONNX graph."""
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.ensemble import RandomForestClassifier

    inputs, labels = survey(1_000)
    forest = RandomForestClassifier(
        trees, min_samples_leaf=5, class_weight="balanced", random_state=seed
    ).fit(inputs, labels)
    graph = convert_sklearn(
        forest,
        initial_types=[(ONNX_INPUT, FloatTensorType([None, len(FEATURES)]))],
        final_types=[("label", None), (ONNX_OUTPUT, None)],
        options={id(forest): {"zipmap": False}},
    )
    return forest, graph.SerializeToString()


def bundle(
    version: str | None = "1",
    run_id: str = "run-a",
    trees: int = 20,
    seed: int = 0,
    background: int = 100,
) -> Bundle:
    """A bundle whose manifest is whole; another seed is another model."""
    forest, graph = trained(trees, seed)
    files = {ONNX: graph, PICKLE: pickle.dumps(forest)}
    inputs, _ = survey(1_000)
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
        examples=Examples(
            inputs=inputs[:20].tolist(),
            fail_probability=forest.predict_proba(inputs[:20])[:, 1].tolist(),
        ),
        background=inputs[:background].tolist(),
        metrics={"roc_auc": Interval(value=0.8, low=0.7, high=0.9)},
        gates=[
            GateResult(name="min_roc_auc", bound=0.65, reason="ranking", value=0.8, passed=True)
        ],
    )
    return Bundle(manifest, files)
