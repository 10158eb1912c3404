"""Exact Shapley values of any model with few features, by enumerating all 2^n coalitions.

A feature's value is its mean effect over all orders in which the features become known, with
unknown features drawn from a background sample (interventional Shapley values; Lundberg and Lee,
"A Unified Approach to Interpreting Model Predictions", 2017).
"""

from __future__ import annotations

import math

import numpy as np

from pipeline.types import Float32Array, FloatArray
from serving.http.rows import Matrix
from serving.model.scorers import Scorer


class CoalitionShapley:
    """Explains the scores of a model on their own scale.

    Args:
        scorer: Scores rows, shape (n_rows, n_features).
        background: Background sample, shape (n_background, n_features).
    """

    def __init__(self, scorer: Scorer, background: Float32Array) -> None:
        self._scorer = scorer
        self._background = background
        count = background.shape[1]
        self._bits = 1 << np.arange(count)
        self._coalitions = np.arange(2**count)

    def explain(self, row: Float32Array) -> tuple[float, FloatArray]:
        """Compute the Shapley values of one row.

        Args:
            row: The row, shape (n_features,).

        Returns:
            The mean score of the background, and how much each feature adds to it, shape
            (n_features,).
        """
        values = self._coalition_values(row)
        count = len(row)
        contributions = np.zeros(count)
        for index, bit in enumerate(self._bits):
            without = self._coalitions[self._coalitions & bit == 0]
            sizes = np.bitwise_count(without).tolist()
            weights = [
                math.factorial(size) * math.factorial(count - size - 1) / math.factorial(count)
                for size in sizes
            ]
            contributions[index] = np.dot(weights, values[without | bit] - values[without])
        return float(values[0]), contributions

    def _coalition_values(self, row: Matrix) -> FloatArray:
        """Mean score of each coalition, with unknown features from the background.

        A feature that a background row shares with the row changes nothing when it becomes
        known. Of the rows that are equal for this reason, only one is scored.

        Args:
            row: Features of the explained row, shape (n_features,).

        Returns:
            Mean scores, shape (2**n_features,), indexed by the coalition's bit mask.
        """
        size = len(self._background)
        # For each background row, the mask of the features in which it differs from the row.
        differs = (self._background != row) @ self._bits
        effective = self._coalitions[:, None] & differs[None, :]
        keys = effective * size + np.arange(size)
        unique, inverse = np.unique(keys, return_inverse=True)
        masks, origins = np.divmod(unique, size)
        known = (masks[:, None] & self._bits) != 0
        batch = np.where(known, row, self._background[origins])
        scored = self._scorer(np.ascontiguousarray(batch, np.float32)).astype(np.float64)
        values: FloatArray = scored[inverse.reshape(keys.shape)].mean(axis=1)
        return values
