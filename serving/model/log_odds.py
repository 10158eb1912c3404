"""Exact Shapley values of a served graph on the scale of log-odds, for any number of features.

A graph that `train` exports computes columns from the features, a score from the columns (the sum
of trees, or a linear function), and 1 / (1 + exp(a * score + b)) from the score: Platt's
calibration. So its log-odds, -(a * score + b), are linear in the score, and the Shapley values of
the log-odds are -a times those of the score. Probabilities are not linear in it: their exact
Shapley values need every coalition.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.model.bundle import ONNX_INPUT
from pipeline.types import Float32Array, FloatArray
from serving.model.graph_columns import GraphColumns
from serving.model.linear import LinearShapley, read_linear
from serving.model.onnx_file import OnnxFile, UnsupportedGraph, read_attributes
from serving.model.scorers import Scorer
from serving.model.tree_shapley import TreeShapley
from serving.model.trees import Trees, read_trees

MAX_DIFFERENCE = 1e-5
"""Largest accepted difference in probability from the graph, which computes in float32."""
TREES, LINEAR = "TreeEnsembleClassifier", "LinearClassifier"
"""Operators whose scores are explained."""


class LogOddsShapley:
    """Explains the predictions of a graph as log-odds. For one thread at a time.

    Args:
        graph: The serialized graph.
        scorer: Runs the graph; every explanation is compared with it.
        background: Background sample, shape (n_background, n_features).

    Raises:
        UnsupportedGraph: If the graph is not of the described form.
    """

    def __init__(self, graph: bytes, scorer: Scorer, background: Float32Array) -> None:
        file = OnnxFile(graph)
        node = _find_model(file)
        self._scorer = scorer
        self._slope, self._intercept = _read_calibration(file, node)
        output = node.input[0]
        front = None if output == ONNX_INPUT else file.cut_before(node)
        self._columns = GraphColumns(front, output, background[0])
        self._background = np.array([self._columns.compute(row) for row in background])
        self._model = read_trees(node) if node.op_type == TREES else read_linear(node)
        self._count = background.shape[1]
        self._prepare()
        log_odds = self._slope * self._model.predict(self._background) + self._intercept
        self._check(log_odds, background)
        self._base = float(log_odds.mean())

    def _prepare(self) -> None:
        """Prepare for the columns whose features are known."""
        self._features = self._columns.features
        known = self._background, self._features, self._count
        self._shapley: TreeShapley | LinearShapley
        if isinstance(self._model, Trees):
            self._shapley = TreeShapley(self._model, *known)
        else:
            self._shapley = LinearShapley(self._model, *known)

    def explain(self, row: Float32Array) -> tuple[float, FloatArray]:
        """Compute the Shapley values of one row.

        Args:
            row: The row, shape (n_features,).

        Returns:
            The mean log-odds of the background, and how much each feature adds to them, shape
            (n_features,).

        Raises:
            UnsupportedGraph: If a column depends on several features, or if the sum is not the
                log-odds of the graph's prediction.
        """
        columns = self._columns.compute(row)
        if self._features is not self._columns.features:
            self._prepare()
        values = self._slope * self._shapley.explain(columns)
        self._check(np.array([self._base + values.sum()]), row[None])
        return self._base, values

    def _check(self, log_odds: FloatArray, rows: Float32Array) -> None:
        """Compare log-odds with the graph's predictions for the rows."""
        probabilities = (1 + np.tanh(log_odds / 2)) / 2  # the logistic function, without overflow
        difference = np.abs(probabilities - self._scorer(rows)).max()
        if not difference <= MAX_DIFFERENCE:
            raise UnsupportedGraph(
                f"the sums of its explanations differ from its probabilities by {difference:g}"
            )


def _find_model(file: OnnxFile) -> Any:
    """Return the node that computes the score."""
    models = [node for node in file.nodes if node.op_type in (TREES, LINEAR)]
    if len(models) != 1:
        raise UnsupportedGraph(
            f"its graph has {len(models)} nodes {TREES} or {LINEAR}, and one is supported"
        )
    return models[0]


def _read_calibration(file: OnnxFile, model: Any) -> tuple[float, float]:
    """Return slope and intercept of the log-odds as a function of the score."""
    transform = read_attributes(model).get("post_transform", b"NONE")
    name, numbers = model.output[1], []
    for operator in ("ArrayFeatureExtractor", "Mul", "Add", "Exp"):
        node = file.find_consumer(name, operator)
        if node is None:
            break
        numbers.append(file.read_number(node))
        name = node.output[0]
    match transform, numbers:
        case b"NONE", [1.0, float(a), float(b), _]:
            return -a, -b
        case b"LOGISTIC", []:  # not calibrated: the score is the log-odds
            return 1.0, 0.0
    raise UnsupportedGraph("its log-odds are not linear in the score of its model")
