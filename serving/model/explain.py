"""Explanations: how much each feature adds to one prediction, as exact Shapley values.

A feature that is not known is drawn from the background: aggregates of the training rows. With few
features, coalitions.py explains the probability. With more, there are too many coalitions, and
log_odds.py explains the log-odds, on which trees and linear models are sums.
"""

from __future__ import annotations

import json
import logging
from typing import Protocol

import numpy as np

from pipeline.columns import FEATURE_NAMES
from pipeline.model.decision import DIGITS
from pipeline.types import Float32Array, FloatArray
from serving.http.problems import Invalid
from serving.http.responses import MAX_PROBABILITY_FEATURES, Scale
from serving.http.rows import Row
from serving.model.coalitions import CoalitionShapley
from serving.model.log_odds import LogOddsShapley
from serving.model.onnx_file import UnsupportedGraph
from serving.model.scorers import Scorer

log = logging.getLogger(__name__)

MAX_BACKGROUND = 100
"""Number of background rows that are used, from the first on."""
CACHE_SIZE = 2_000
"""Number of cached explanations."""


class Shapley(Protocol):
    """Computes the Shapley values of one row."""

    def explain(self, row: Float32Array) -> tuple[float, FloatArray]:
        """Return the mean of the background, and what each feature adds to it."""


class Explainer:
    """Explains one model. For one thread at a time.

    Args:
        scorer: Scores rows, shape (n_rows, n_features).
        background: Background sample, shape (n_background, n_features).
        graph: The serialized ONNX graph that the scorer runs, if it runs one.
    """

    def __init__(
        self, scorer: Scorer, background: list[list[float]], graph: bytes | None = None
    ) -> None:
        few = len(FEATURE_NAMES) <= MAX_PROBABILITY_FEATURES
        self._scale: Scale = "probability" if few else "log_odds"
        self._shapley: Shapley | None = None
        self._reason = ""
        """Why there are no explanations."""
        self._cache: dict[Row, bytes] = {}
        rows = np.array(background[:MAX_BACKGROUND], np.float32).reshape(-1, len(FEATURE_NAMES))
        if not len(rows):
            self._reason = "its bundle has no background sample"
        elif few:
            self._shapley = CoalitionShapley(scorer, rows)
        elif graph is None:
            self._reason = (
                f"with more than {MAX_PROBABILITY_FEATURES} features, they need its ONNX graph"
            )
        else:
            try:
                self._shapley = LogOddsShapley(graph, scorer, rows)
            except UnsupportedGraph as error:
                self._reason = str(error)
                log.warning("the model has no explanations: %s", error)

    def explain(self, row: Row) -> bytes:
        """Return the row's explanation as JSON.

        Raises:
            Invalid: If there is none.
        """
        if self._shapley is None:
            raise Invalid((), f"This model has no explanations: {self._reason}")
        explanation = self._cache.get(row)
        if explanation is None:
            try:
                base, values = self._shapley.explain(np.array(row, np.float32))
            except UnsupportedGraph as error:
                raise Invalid((), f"This model cannot explain this row: {error}") from error
            named = {
                name: round(value, DIGITS + 2)
                for name, value in zip(FEATURE_NAMES, values.tolist(), strict=True)
            }
            document = {
                "scale": self._scale,
                "base": round(base, DIGITS + 2),
                "contributions": named,
            }
            explanation = json.dumps(document, separators=(",", ":")).encode()
            if len(self._cache) >= CACHE_SIZE:
                self._cache.clear()
            self._cache[row] = explanation
        return explanation
