"""Exact Shapley values: how much each feature adds to one prediction.

A feature's value is its mean effect over all orders in which the features become known, with
unknown features drawn from a background sample (interventional Shapley values; Lundberg and Lee,
"A Unified Approach to Interpreting Model Predictions", 2017). With few features all 2^n
coalitions are computed, so nothing is estimated.
"""

from __future__ import annotations

import json
import math

import numpy as np
from numpy.typing import NDArray

from pipeline.columns import FEATURE_NAMES
from serving.http.problems import Invalid
from serving.http.requests import DIGITS, Matrix, Row, Scorer

MAX_FEATURES = 10
"""2^10 coalitions of 100 rows each are the most that a request should wait for."""
MAX_BACKGROUND = 100
"""Number of background rows that are used, from the first on."""
CACHE_SIZE = 2_000
"""Number of cached explanations."""


class Explainer:
    """Explains one model. For one thread at a time.

    Args:
        scorer: Scores rows, shape (n_rows, n_features).
        background: Background sample, shape (n_background, n_features).
    """

    def __init__(self, scorer: Scorer, background: list[list[float]]) -> None:
        self._scorer = scorer
        self._background = np.array(background[:MAX_BACKGROUND], np.float32).reshape(
            -1, len(FEATURE_NAMES)
        )
        count = len(FEATURE_NAMES)
        self._bits = 1 << np.arange(count)
        self._coalitions = np.arange(2**count if count <= MAX_FEATURES else 0)
        self._cache: dict[Row, bytes] = {}

    def explain(self, row: Row) -> bytes:
        """Return the row's explanation as JSON.

        Raises:
            Invalid: If there are too many features, or no background.
        """
        if not len(self._coalitions) or not len(self._background):
            raise Invalid(
                (),
                "This model has no explanations: they need a background sample "
                f"and at most {MAX_FEATURES} features",
            )
        explanation = self._cache.get(row)
        if explanation is None:
            base, contributions = self.shapley(row)
            named = {
                name: round(value, DIGITS + 2)
                for name, value in zip(FEATURE_NAMES, contributions, strict=True)
            }
            document = {"base": round(base, DIGITS + 2), "contributions": named}
            explanation = json.dumps(document, separators=(",", ":")).encode()
            if len(self._cache) >= CACHE_SIZE:
                self._cache.clear()
            self._cache[row] = explanation
        return explanation

    def shapley(self, row: Row) -> tuple[float, list[float]]:
        """Compute the Shapley values of one row.

        Returns:
            The mean prediction of the background, and how much each feature adds to it, in the
            order of columns.FEATURES.
        """
        values = self._coalition_values(np.array(row, np.float32))
        count = len(row)
        contributions = []
        for bit in self._bits:
            without = self._coalitions[self._coalitions & bit == 0]
            sizes = np.bitwise_count(without).tolist()
            weights = [
                math.factorial(size) * math.factorial(count - size - 1) / math.factorial(count)
                for size in sizes
            ]
            contributions.append(float(np.dot(weights, values[without | bit] - values[without])))
        return float(values[0]), contributions

    def _coalition_values(self, row: Matrix) -> NDArray[np.float64]:
        """Mean prediction of each coalition, with unknown features from the background.

        A feature that a background row shares with the row changes nothing when it becomes
        known. Of the rows that are equal for this reason, only one is scored.

        Args:
            row: Features of the explained row, shape (n_features,).

        Returns:
            Mean probabilities, shape (2**n_features,), indexed by the coalition's bit mask.
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
        values: NDArray[np.float64] = scored[inverse.reshape(keys.shape)].mean(axis=1)
        return values
