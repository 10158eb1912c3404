"""Complete trees with random branches, as ONNX graphs like those of calibrated models."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from pipeline.model.bundle import ONNX_INPUT, ONNX_OUTPUT
from pipeline.types import BoolArray, Float32Array, FloatArray, IntArray

COMPARISONS = {
    "BRANCH_LEQ": np.less_equal,
    "BRANCH_LT": np.less,
    "BRANCH_GTE": np.greater_equal,
    "BRANCH_GT": np.greater,
}
SLOPE, INTERCEPT = -1.5, 0.25
"""Platt's a and b: the log-odds are -(a * score + b)."""
STEPS = 20
"""Thresholds and values of features are multiples of 1/20, so that they are often equal."""


@dataclass(frozen=True)
class RandomTrees:
    """Complete trees: node i has the children 2i + 1 (if its comparison is true) and 2i + 2.

    Attributes:
        n_features: Number of features.
        feature: Feature of each inner node, shape (n_trees, n_inner).
        threshold: Threshold of each inner node, shape (n_trees, n_inner).
        mode: Comparison of each inner node, shape (n_trees, n_inner).
        blank_is_true: Whether a blank makes it true, shape (n_trees, n_inner).
        value: Values of the leaves, shape (n_trees, n_inner + 1).
    """

    n_features: int
    feature: IntArray
    threshold: Float32Array
    mode: np.ndarray[tuple[int, int], np.dtype[np.str_]]
    blank_is_true: BoolArray
    value: Float32Array

    def log_odds(self, rows: Float32Array) -> FloatArray:
        """Return the log-odds of rows, computed row by row and tree by tree."""
        return np.array([-(SLOPE * self._score(row) + INTERCEPT) for row in rows])

    def _score(self, row: Float32Array) -> float:
        trees, inner = self.feature.shape
        score = 0.0
        for tree in range(trees):
            node = 0
            while node < inner:
                value = row[self.feature[tree, node]]
                if math.isnan(value):
                    goes_true = self.blank_is_true[tree, node]
                else:
                    compare = COMPARISONS[self.mode[tree, node]]
                    goes_true = compare(value, self.threshold[tree, node])
                node = 2 * node + (1 if goes_true else 2)
            score += float(self.value[tree, node - inner])
        return score

    def to_onnx(self) -> bytes:
        """Return the graph of the calibrated trees."""
        trees, inner = self.feature.shape
        count = 2 * inner + 1
        leaves = np.tile(np.arange(inner, count), trees)
        ids, node = np.divmod(np.arange(trees * count), count)
        is_inner = node < inner

        def pad(values: np.ndarray[tuple[int, int], np.dtype[np.generic]], leaf: object) -> object:
            padding = np.full((trees, inner + 1), leaf)
            return np.hstack([values, padding]).ravel().tolist()

        ensemble = helper.make_node(
            "TreeEnsembleClassifier",
            [ONNX_INPUT],
            ["label", "score"],
            domain="ai.onnx.ml",
            nodes_treeids=ids.tolist(),
            nodes_nodeids=node.tolist(),
            nodes_featureids=pad(self.feature, 0),
            nodes_values=pad(self.threshold, np.float32(0)),
            nodes_modes=pad(self.mode, "LEAF"),
            nodes_missing_value_tracks_true=pad(self.blank_is_true.astype(int), 0),
            nodes_truenodeids=np.where(is_inner, 2 * node + 1, 0).tolist(),
            nodes_falsenodeids=np.where(is_inner, 2 * node + 2, 0).tolist(),
            class_treeids=np.repeat(np.arange(trees), inner + 1).tolist(),
            class_nodeids=leaves.tolist(),
            class_ids=[0] * leaves.size,
            class_weights=self.value.ravel().tolist(),
            classlabels_int64s=[0, 1],
            post_transform="NONE",
        )
        nodes = [
            ensemble,
            helper.make_node(
                "ArrayFeatureExtractor", ["score", "second"], ["column"], domain="ai.onnx.ml"
            ),
            helper.make_node("Mul", ["a", "column"], ["scaled"]),
            helper.make_node("Add", ["scaled", "b"], ["shifted"]),
            helper.make_node("Exp", ["shifted"], ["odds"]),
            helper.make_node("Add", ["one", "odds"], ["denominator"]),
            helper.make_node("Div", ["one", "denominator"], ["positive"]),
            helper.make_node("Sub", ["one", "positive"], ["negative"]),
            helper.make_node("Concat", ["negative", "positive"], [ONNX_OUTPUT], axis=1),
        ]
        numbers = {"a": np.float32(SLOPE), "b": np.float32(INTERCEPT), "one": np.float32(1)}
        constants = [*numbers.items(), ("second", np.array([1]))]
        graph = helper.make_graph(
            nodes,
            "trees",
            [helper.make_tensor_value_info(ONNX_INPUT, TensorProto.FLOAT, [None, self.n_features])],
            [helper.make_tensor_value_info(ONNX_OUTPUT, TensorProto.FLOAT, [None, 2])],
            [numpy_helper.from_array(np.asarray(value), name) for name, value in constants],
        )
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 1)]
        data: bytes = helper.make_model(
            graph, opset_imports=opsets, ir_version=8
        ).SerializeToString()
        return data


def make_random_trees(
    n_features: int, trees: int, depth: int, modes: tuple[str, ...] = ("BRANCH_LEQ",)
) -> RandomTrees:
    """Make random trees; equal arguments give equal trees."""
    random = np.random.default_rng(0)
    shape = trees, 2**depth - 1
    return RandomTrees(
        n_features,
        feature=random.integers(n_features, size=shape),
        threshold=(random.integers(1, STEPS, size=shape) / STEPS).astype(np.float32),
        mode=random.choice(modes, size=shape),
        blank_is_true=random.integers(2, size=shape) > 0,
        value=random.normal(size=(trees, 2**depth)).astype(np.float32) / np.float32(trees),
    )


def make_random_rows(n_features: int, rows: int, blanks: float = 0.0) -> Float32Array:
    """Make random rows, with a fraction of blanks; equal arguments give equal rows."""
    random = np.random.default_rng(1)
    made = random.integers(STEPS + 1, size=(rows, n_features)) / STEPS
    made[random.random(made.shape) < blanks] = np.nan
    return made.astype(np.float32)
