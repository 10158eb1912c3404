"""A trained model as files: ONNX, which is served, and a pickle of the scikit-learn model; and proof that they agree."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import numpy as np

from pipeline.columns import FEATURES, Category
from pipeline.model.bundle import ONNX, ONNX_INPUT, ONNX_OUTPUT, PICKLE, Examples
from pipeline.model.candidates import Rows, positive_probability

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

OPSET = 17
"""Of the ONNX graph: old enough for every runtime of the last years, new enough for all operators used."""
EXAMPLES, BACKGROUND, GRID = 12, 100, 20_000
"""Rows stored as examples besides the extremes; rows that explanations are taken against; rows that parity is measured on."""


def export_files(model: Pipeline) -> dict[str, bytes]:
    """The model's files by name; the same model gives the same graph, byte for byte."""
    return {ONNX: to_onnx(model), PICKLE: pickle.dumps(model, protocol=5)}


def to_onnx(model: Pipeline) -> bytes:
    """The graph: float32 [rows, features] to float32 [rows, 2]."""
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    graph = convert_sklearn(
        model,
        name="student",  # without a name it gets a random one
        initial_types=[(ONNX_INPUT, FloatTensorType([None, len(FEATURES)]))],
        final_types=[("label", None), (ONNX_OUTPUT, None)],
        options={"zipmap": False},
        target_opset=OPSET,
    )
    data: bytes = graph.SerializeToString(deterministic=True)
    return data


def extremes() -> Rows:
    """Every feature at both ends of what is accepted, the others as in the data dictionary's example."""
    middle = [
        feature.codes[feature.example] if isinstance(feature, Category) else feature.example
        for feature in FEATURES
    ]
    rows = []
    for place, feature in enumerate(FEATURES):
        ends = (
            (min(feature.codes.values()), max(feature.codes.values()))
            if isinstance(feature, Category)
            else (feature.low, feature.high)
        )
        rows += [[*middle[:place], end, *middle[place + 1 :]] for end in ends]
    return np.array(rows, dtype=np.float32)


def make_examples(model: Pipeline, rows: Rows, seed: int) -> Examples:
    """Some of the rows and the extremes, each with its probability: what a loaded model must reproduce."""
    chosen = np.vstack([_some(rows, EXAMPLES, seed), extremes()])
    return Examples(
        inputs=_plain(chosen), fail_probability=positive_probability(model, chosen).tolist()
    )


def sample_background(rows: Rows, seed: int) -> list[list[float]]:
    """A random sample of the rows, for explanations."""
    return _plain(_some(rows, BACKGROUND, seed))


def max_onnx_difference(model: Pipeline, graph: bytes, rows: Rows, seed: int) -> float:
    """The greatest difference between the model's probabilities and the graph's: over the rows, the extremes, and a grid of the
    values that features are recorded with, where a rounded bin's edge would show."""
    from pipeline.model import onnx

    everything = np.vstack([rows, extremes(), _grid(seed)])
    ours = positive_probability(model, everything)
    return float(np.abs(ours - onnx.positive_probability(onnx.open_graph(graph), everything)).max())


def _grid(seed: int) -> Rows:
    random = np.random.default_rng(seed)
    columns = []
    for feature in FEATURES:
        if isinstance(feature, Category):
            values = np.array(list(feature.codes.values()))
        else:
            low, high = feature.typical
            values = np.round(
                np.arange(low - feature.step, high + 2 * feature.step, feature.step), 6
            )
        columns.append(random.choice(values, GRID))
    return np.column_stack(columns).astype(np.float32)


def _some(rows: Rows, most: int, seed: int) -> Rows:
    kept = np.random.default_rng(seed).permutation(len(rows))[:most]
    kept.sort()
    some: Rows = rows[kept]
    return some


def _plain(rows: Rows) -> list[list[float]]:
    """As decimals that people would write: float32's nearest shortest."""
    return [[float(str(value)) for value in row] for row in rows]
