"""Exact Shapley values: what each feature adds to one prediction.

A feature's value is its mean effect over all orders in which the features could become known, where what is not known yet is
taken from a background sample (interventional Shapley values; Lundberg and Lee, "A Unified Approach to Interpreting Model
Predictions", 2017). With few features every one of the 2^n coalitions is computed, so nothing is estimated.
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
"""2^10 coalitions of 100 rows are the most that is worth waiting for."""
MAX_BACKGROUND = 100
"""Rows of the background that are used, the first ones."""
REMEMBERED = 2_000
"""Explanations that are remembered."""


class Explainer:
    """Explains one model. For one thread at a time."""

    def __init__(self, scorer: Scorer, background: list[list[float]]) -> None:
        self._scorer = scorer
        self._background = np.array(background[:MAX_BACKGROUND], np.float32).reshape(
            -1, len(FEATURE_NAMES)
        )
        count = len(FEATURE_NAMES)
        self._bits = 1 << np.arange(count)
        self._coalitions = np.arange(2**count if count <= MAX_FEATURES else 0)
        self._known: dict[Row, bytes] = {}

    def explain(self, row: Row) -> bytes:
        """The explanation's JSON.

        Raises:
            Invalid: there are too many features, or no background.
        """
        if not len(self._coalitions) or not len(self._background):
            raise Invalid(
                (),
                f"This model is not explained: it needs a background, and at most {MAX_FEATURES} features",
            )
        known = self._known.get(row)
        if known is None:
            base, contributions = self.shapley(row)
            named = {
                name: round(value, DIGITS + 2)
                for name, value in zip(FEATURE_NAMES, contributions, strict=True)
            }
            known = json.dumps(
                {"base": round(base, DIGITS + 2), "contributions": named}, separators=(",", ":")
            ).encode()
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[row] = known
        return known

    def shapley(self, row: Row) -> tuple[float, list[float]]:
        """The mean prediction of the background, and what each feature adds to it, in the order of columns.FEATURES."""
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
        """For every coalition, as a bit mask: the mean prediction with its features known, the others from the background.

        A feature that a background row has in common with the row changes nothing when it becomes known: of rows that come out
        equal by that only one is scored.
        """
        size = len(self._background)
        differs = (
            self._background != row
        ) @ self._bits  # by background row, the mask of the features that differ
        effective = self._coalitions[:, None] & differs[None, :]
        keys = effective * size + np.arange(size)
        unique, inverse = np.unique(keys, return_inverse=True)
        masks, origins = np.divmod(unique, size)
        known = (masks[:, None] & self._bits) != 0
        batch = np.where(known, row, self._background[origins])
        scored = self._scorer(np.ascontiguousarray(batch, np.float32)).astype(np.float64)
        values: NDArray[np.float64] = scored[inverse.reshape(keys.shape)].mean(axis=1)
        return values
