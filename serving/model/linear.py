"""Exact interventional Shapley values of a linear function.

A feature adds its coefficients times the differences of its columns from their means over the
background.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.types import Float32Array, FloatArray, IntArray
from serving.model.onnx_file import read_attributes


@dataclass(frozen=True)
class Linear:
    """A linear function of columns.

    Attributes:
        coefficients: Coefficients of the columns, shape (n_columns,).
        intercept: What is added to their products.
    """

    coefficients: FloatArray
    intercept: float

    def predict(self, columns: Float32Array) -> FloatArray:
        """Return the scores of rows.

        Args:
            columns: The rows, shape (n_rows, n_columns).

        Returns:
            Scores, shape (n_rows,).
        """
        scores: FloatArray = columns.astype(np.float64) @ self.coefficients + self.intercept
        return scores


def read_linear(node: Any) -> Linear:
    """Read a node LinearClassifier of two classes.

    It has the coefficients of each class, or only those of the positive one.
    """
    attributes = read_attributes(node)
    classes = len(attributes["intercepts"])
    coefficients = attributes["coefficients"].astype(np.float64).reshape(classes, -1)[-1]
    return Linear(coefficients, float(attributes["intercepts"][-1]))


class LinearShapley:
    """Explains rows by a linear function.

    Args:
        model: The function.
        background: Background rows, shape (n_background, n_columns).
        features: Feature that each column depends on, shape (n_columns,).
        count: Number of features.
    """

    def __init__(
        self, model: Linear, background: Float32Array, features: IntArray, count: int
    ) -> None:
        self._coefficients = model.coefficients
        self._means = background.astype(np.float64).mean(axis=0)
        self._varies = features >= 0
        self._features = features[self._varies]
        self._count = count

    def explain(self, row: Float32Array) -> FloatArray:
        """Compute the Shapley values of one row.

        Args:
            row: The row, shape (n_columns,).

        Returns:
            How much each feature adds to the mean score of the background, shape (n_features,).
        """
        added = self._coefficients * (row - self._means)
        values: FloatArray = np.zeros(self._count)
        np.add.at(values, self._features, added[self._varies])
        return values
