"""The trees of an ONNX graph as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.types import BoolArray, Float32Array, FloatArray, IntArray
from serving.model.onnx_file import UnsupportedGraph, read_attributes

_LEAF = b"LEAF"
_INCLUDES_EQUAL = {
    b"BRANCH_LEQ": True,
    b"BRANCH_LT": False,
    b"BRANCH_GT": True,
    b"BRANCH_GTE": False,
}
"""The supported comparisons with a threshold. Values below the threshold, and equal ones if this is
true, go to one side: the true one for the first two, the false one for the others."""
_BELOW_IS_TRUE = (b"BRANCH_LEQ", b"BRANCH_LT")


@dataclass(frozen=True)
class Trees:
    """A sum of decision trees. All arrays but the first have an element for each node.

    Attributes:
        roots: Nodes at which the trees begin.
        column: Column whose value is compared; 0 at a leaf.
        threshold: Largest value that goes to the lower child.
        blank_is_lower: Whether a missing value (NaN) goes to the lower child.
        lower: Child for values up to the threshold; -1 at a leaf.
        upper: Child for the other values; -1 at a leaf.
        value: What a leaf adds to the score.
        offset: What is added to the sum of the leaves.
    """

    roots: IntArray
    column: IntArray
    threshold: Float32Array
    blank_is_lower: BoolArray
    lower: IntArray
    upper: IntArray
    value: FloatArray
    offset: float

    def goes_lower(self, values: Float32Array, nodes: IntArray) -> BoolArray:
        """Whether values go to the lower child of nodes; both have the same shape."""
        lower: BoolArray = values <= self.threshold[nodes]
        blank = np.isnan(values)
        if blank.any():
            lower |= blank & self.blank_is_lower[nodes]
        return lower

    def predict(self, columns: Float32Array) -> FloatArray:
        """Return the scores of rows.

        Args:
            columns: The rows, shape (n_rows, n_columns).

        Returns:
            Scores, shape (n_rows,).
        """
        nodes = np.tile(self.roots, (len(columns), 1))
        while (inner := self.lower[nodes] >= 0).any():
            row, _ = np.nonzero(inner)
            at = nodes[inner]
            lower = self.goes_lower(columns[row, self.column[at]], at)
            nodes[inner] = np.where(lower, self.lower[at], self.upper[at])
        scores: FloatArray = self.value[nodes].sum(axis=1) + self.offset
        return scores


def read_trees(node: Any) -> Trees:
    """Read a node TreeEnsembleClassifier of two classes.

    Args:
        node: The node of the graph.

    Raises:
        UnsupportedGraph: If the trees have anything that `Trees` does not describe.
    """
    attributes = read_attributes(node)
    missing = {"nodes_values", "class_weights"} - attributes.keys()
    if missing:
        raise UnsupportedGraph(f"its trees have no {', '.join(sorted(missing))}")
    modes = attributes["nodes_modes"]
    unknown = sorted(set(modes.tolist()) - {_LEAF, *_INCLUDES_EQUAL})
    if unknown:
        raise UnsupportedGraph(f"its trees have nodes of the kind {unknown[0].decode()}")
    below_is_true = np.isin(modes, _BELOW_IS_TRUE)
    threshold = attributes["nodes_values"]
    excludes_equal = np.isin(modes, [mode for mode, equal in _INCLUDES_EQUAL.items() if not equal])
    tracks_true = attributes.get("nodes_missing_value_tracks_true", np.zeros(len(modes))) != 0
    places = _Places(attributes["nodes_treeids"], attributes["nodes_nodeids"])
    is_leaf = modes == _LEAF
    on_true, on_false = (
        np.where(is_leaf, -1, places.find(places.trees, attributes[f"nodes_{side}nodeids"]))
        for side in ("true", "false")
    )
    children = np.concatenate([on_true[~is_leaf], on_false[~is_leaf]])
    parents = np.bincount(children, minlength=len(modes))
    if parents.max() > 1:
        raise UnsupportedGraph("a node of its trees has two parents")
    return Trees(
        roots=np.flatnonzero(parents == 0),
        column=np.where(is_leaf, 0, attributes["nodes_featureids"]),
        threshold=np.where(excludes_equal, np.nextafter(threshold, -np.float32(np.inf)), threshold),
        blank_is_lower=tracks_true == below_is_true,
        lower=np.where(below_is_true, on_true, on_false),
        upper=np.where(below_is_true, on_false, on_true),
        value=_read_leaf_values(attributes, places),
        offset=_read_offset(attributes),
    )


class _Places:
    """Finds the index of a node by the id of its tree and its id in the tree."""

    def __init__(self, trees: IntArray, nodes: IntArray) -> None:
        self.trees = trees
        self._stride = nodes.max() + 1
        keys = trees * self._stride + nodes
        self._order = np.argsort(keys)
        self._keys = keys[self._order]

    def find(self, trees: IntArray, nodes: IntArray) -> IntArray:
        found = np.searchsorted(self._keys, trees * self._stride + nodes)
        places: IntArray = self._order[np.minimum(found, len(self._order) - 1)]
        return places


def _read_leaf_values(attributes: dict[str, Any], places: _Places) -> FloatArray:
    """What each node adds to the score of the positive class.

    If only one class has weights, they are those of the positive class, even if its id is 0.
    """
    classes, weights = attributes["class_ids"], attributes["class_weights"]
    counted = classes == classes.max()
    nodes = places.find(attributes["class_treeids"], attributes["class_nodeids"])
    values: FloatArray = np.zeros(len(places.trees))
    np.add.at(values, nodes[counted], weights[counted])
    return values


def _read_offset(attributes: dict[str, Any]) -> float:
    return float(attributes.get("base_values", np.zeros(1))[-1])
