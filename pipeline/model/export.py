"""Export a trained model: an ONNX graph to serve, and a pickle of the scikit-learn model."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import numpy as np

from pipeline.column_file.blanks import BLANK
from pipeline.columns import FEATURES, SUBJECT, Category
from pipeline.model import onnx
from pipeline.model.aggregation import aggregate_rows, find_range
from pipeline.model.bundle import (
    ONNX,
    ONNX_INPUT,
    ONNX_OUTPUT,
    PICKLE,
    Examples,
    TrainingFacts,
)
from pipeline.model.candidates import positive_probability
from pipeline.model.histogram_trees import to_convertible
from pipeline.model.metrics import Predictions
from pipeline.model.training_data import TrainingData
from pipeline.types import Float32Array

if TYPE_CHECKING:
    from onnx import ModelProto
    from sklearn.pipeline import Pipeline

OPSET = 17
"""ONNX operator set: supported by runtimes since 2022, and has all operators that we use."""
EXAMPLE_ROWS = 12
"""Random rows among a bundle's examples; the extreme rows are added."""
BACKGROUND_ROWS = 100
"""Largest number of rows of a bundle's background."""
GRID_ROWS = 20_000
"""Random grid rows on which graph and model are compared."""
BLANK_RATE = 0.1
"""Fraction of blanks in the grid rows, in each feature that may be blank."""


def export_files(model: Pipeline) -> dict[str, bytes]:
    """Export a fitted model.

    Returns:
        The bytes of each file by name. The same model gives the same graph, byte for byte.
    """
    return {ONNX: to_onnx(model), PICKLE: pickle.dumps(model, protocol=5)}


def to_onnx(model: Pipeline) -> bytes:
    """Convert a fitted model to a serialized ONNX graph; see `convert`."""
    return serialize(convert(model))


def convert(model: Pipeline) -> ModelProto:
    """Convert a fitted model to an ONNX graph.

    Returns:
        The graph: float32 (n_rows, n_features) to float32 (n_rows, 2).
    """
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.frozen import FrozenEstimator
    from sklearn.pipeline import make_pipeline

    model = to_convertible(model)
    # skl2onnx does not know the wrapper of the steps that were not fitted.
    steps = [
        step.estimator if isinstance(step, FrozenEstimator) else step
        for step in model.named_steps.values()
    ]
    graph: ModelProto = convert_sklearn(
        make_pipeline(*steps),
        name=SUBJECT,  # the default is a random name
        initial_types=[(ONNX_INPUT, FloatTensorType([None, len(FEATURES)]))],
        final_types=[("label", None), (ONNX_OUTPUT, None)],
        options={"zipmap": False},
        target_opset=OPSET,
    )
    return graph


def serialize(graph: ModelProto) -> bytes:
    """Serialize a graph, so that equal graphs have equal bytes.

    skl2onnx lists the operator sets in an order that differs between processes.

    Args:
        graph: The graph; its operator sets are sorted in place.
    """
    graph.opset_import.sort(key=lambda operators: operators.domain)
    data: bytes = graph.SerializeToString(deterministic=True)
    return data


def make_extreme_rows() -> Float32Array:
    """Rows with one feature at an end of its accepted range and the others at their example.

    A feature that may be blank is also blank in one row.

    Returns:
        Rows, shape (2 * n_features + n_optional, n_features).
    """
    examples = [
        feature.codes[feature.example] if isinstance(feature, Category) else feature.example
        for feature in FEATURES
    ]
    rows = []
    for index, feature in enumerate(FEATURES):
        if isinstance(feature, Category):
            ends = [min(feature.codes.values()), max(feature.codes.values())]
        else:
            ends = [feature.low, feature.high]
        if not feature.required:
            ends.append(BLANK)
        rows += [[*examples[:index], end, *examples[index + 1 :]] for end in ends]
    return np.array(rows, dtype=np.float32)


def make_examples(model: Pipeline, seed: int) -> Examples:
    """Make rows and store the model's probabilities, which a loaded model must reproduce.

    The rows are random and extreme ones, and none of a person.

    Args:
        model: The fitted model.
        seed: Seed of the random rows.

    Returns:
        The rows with their probabilities.
    """
    chosen = np.vstack([make_random_rows(EXAMPLE_ROWS, seed), make_extreme_rows()])
    return Examples(
        inputs=_to_decimals(chosen), probability=positive_probability(model, chosen).tolist()
    )


def make_background(rows: Float32Array, seed: int) -> list[list[float]]:
    """Make the rows that explanations are computed against: aggregates of the training rows.

    Args:
        rows: The training rows, shape (n_rows, n_features).
        seed: Seed of the aggregation.

    Returns:
        The rows, each number as the shortest decimal of its float32.
    """
    return _to_decimals(aggregate_rows(rows, BACKGROUND_ROWS, seed))


def describe_training(
    data: TrainingData, precision: float, predictions: Predictions
) -> TrainingFacts:
    """Describe the rows that a model learned from.

    Args:
        data: The rows that the model was fitted on.
        precision: Precision of its kind in nested cross-validation.
        predictions: The model's predictions for the rows.

    Returns:
        The values and the rate that predictions are compared with.
    """
    values = {}
    for feature, column in zip(FEATURES, data.rows.T, strict=True):
        known = column[~np.isnan(column)]
        if isinstance(feature, Category):
            values[feature.name] = _to_decimals(np.unique(known)[None, :])[0]
        else:
            values[feature.name] = list(find_range(feature, known))
    rate = float(data.labels.mean())
    flagged = predictions.probability[predictions.positive]
    has_blanks = np.isnan(data.rows).any(axis=0)
    return TrainingFacts(
        values=values,
        blanks=[FEATURES[index].name for index in np.flatnonzero(has_blanks)],
        positive_rate=rate,
        precision=precision,
        flagged_below_rate=float((flagged < rate).mean()) if flagged.size else 0.0,
    )


def max_onnx_difference(model: Pipeline, graph: bytes, rows: Float32Array, seed: int) -> float:
    """Largest difference between the probabilities of a model and of its graph.

    They are compared on the given rows, the extreme rows and a random grid of recordable values.
    The grid hits the edges of bins, where float32 rounding can move a row to the other bin.

    Args:
        model: The fitted model.
        graph: The serialized graph.
        rows: Rows to compare on, shape (n_rows, n_features).
        seed: Seed of the grid.

    Returns:
        The largest absolute difference over all those rows.
    """
    everything = np.vstack([rows, make_extreme_rows(), make_random_rows(GRID_ROWS, seed)])
    served = onnx.positive_probability(onnx.open_graph(graph), everything)
    return float(np.abs(positive_probability(model, everything) - served).max())


def make_random_rows(count: int, seed: int) -> Float32Array:
    """Make rows of random codes, and of steps over the typical range and one beyond it.

    All values are accepted ones.

    Args:
        count: Number of rows.
        seed: Seed of the values.

    Returns:
        Rows, shape (count, n_features).
    """
    random = np.random.default_rng(seed)
    columns = []
    for feature in FEATURES:
        if isinstance(feature, Category):
            values = np.array(list(feature.codes.values()))
        else:
            low, high = feature.typical
            steps = np.arange(low - feature.step, high + 2 * feature.step, feature.step)
            values = np.clip(np.round(steps, 6), feature.low, feature.high)
        drawn = random.choice(values, count)
        if not feature.required:
            drawn = np.where(random.random(count) < BLANK_RATE, BLANK, drawn)
        columns.append(drawn)
    return np.column_stack(columns).astype(np.float32)


def _to_decimals(rows: Float32Array) -> list[list[float]]:
    """Return the shortest decimals of float32 values, so 0.1 and not 0.10000000149."""
    return [[float(str(value)) for value in row] for row in rows]
