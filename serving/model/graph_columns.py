"""The columns that a graph computes from the features before its trees or linear model."""

from __future__ import annotations

import numpy as np

from pipeline.model.bundle import ONNX_INPUT
from pipeline.model.onnx import open_graph
from pipeline.types import BoolArray, Float32Array
from serving.model.onnx_file import UnsupportedGraph

UNKNOWN = -1
"""In place of a feature: the column was the same for all rows so far."""


class GraphColumns:
    """Computes columns, and finds out which feature each of them depends on.

    A column that depends on several features, such as a product of two, has no feature, so such a
    graph is refused.

    Args:
        front: The graph that computes the columns; None if the columns are the features.
        output: Name of its output.
        first: A row to compare others with, shape (n_features,).
    """

    def __init__(self, front: bytes | None, output: str, first: Float32Array) -> None:
        self._run = open_graph(front).run if front else None
        self._output = output
        self._first = first
        self._first_columns = self._compute(first[None])[0] if front else first
        self.features = (
            np.full(len(self._first_columns), UNKNOWN) if front else np.arange(len(first))
        )
        """Feature of each column, or UNKNOWN. A new array replaces it when one becomes known."""

    def compute(self, row: Float32Array) -> Float32Array:
        """Return the columns of a row, and learn from it which feature each depends on.

        Args:
            row: Features, shape (n_features,).

        Returns:
            Columns, shape (n_columns,).

        Raises:
            UnsupportedGraph: If a column depends on several features.
        """
        if self._run is None:
            return row
        mixed = np.tile(self._first, (len(row) + 1, 1))
        np.fill_diagonal(mixed, row)  # row i is the first row with feature i of the row
        mixed[-1] = row
        computed = self._compute(mixed)
        singles = computed[:-1]
        columns: Float32Array = computed[-1]
        changed = _differ(singles, self._first_columns)
        is_changed, feature = changed.any(axis=0), changed.argmax(axis=0)
        is_known = self.features != UNKNOWN
        several = changed.sum(axis=0) > 1
        several |= is_changed & is_known & (feature != self.features)
        # What the column is if it depends on no other feature.
        expected = np.where(
            is_changed, singles[feature, np.arange(len(feature))], self._first_columns
        )
        if several.any() or _differ(columns, expected).any():
            raise UnsupportedGraph("a column of the model depends on several features")
        if (is_changed & ~is_known).any():
            self.features = np.where(is_changed, feature, self.features)
        return columns

    def _compute(self, rows: Float32Array) -> Float32Array:
        assert self._run is not None
        return np.asarray(self._run([self._output], {ONNX_INPUT: rows})[0], np.float32)


def _differ(one: Float32Array, other: Float32Array) -> BoolArray:
    """Where values differ; two missing values (NaN) are equal."""
    different: BoolArray = (one != other) & ~(np.isnan(one) & np.isnan(other))
    return different
