"""Logistic regressions on simulated rows, and their exact metrics in the population.

The log-odds of the label are linear in independent standard normal features. A fitted regression
and the true log-odds are then jointly normal, so every metric is an integral over the model's
score, and none has a sampling error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.model.metrics import Predictions
from pipeline.types import FloatArray, IntArray

COEFFICIENTS = np.array([1.0, 0.6, 0.3, 0.0, 0.0])
INTERCEPT = -3.59
"""True log-odds; 5 % of the rows are positive."""

_GRID = np.linspace(-8, 8, 3_201)
"""Standardized scores that the integrals are computed on."""
_DENSITY = np.exp(-(_GRID**2) / 2) / math.sqrt(2 * math.pi)
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(40)


@dataclass(frozen=True)
class LinearModel:
    """A logistic regression on the first features, with the threshold of its predictions."""

    coefficients: FloatArray
    intercept: float
    threshold: float

    def predict(self, rows: FloatArray) -> Predictions:
        width = self.coefficients.size
        log_odds = rows[:, :width] @ self.coefficients + self.intercept
        return Predictions(_sigmoid(log_odds), self.threshold)


def draw_rows(random: np.random.Generator, rows: int) -> tuple[FloatArray, IntArray]:
    """Draw features, shape (rows, n_features), and labels."""
    features = random.normal(size=(rows, COEFFICIENTS.size))
    probability = _sigmoid(features @ COEFFICIENTS + INTERCEPT)
    return features, (random.random(rows) < probability).astype(np.int64)


def fit(rows: FloatArray, labels: IntArray) -> LinearModel:
    """Fit by Newton's method with scikit-learn's default penalty of half the squared norm.

    The model predicts positive above the rate of positive rows.
    """
    design = np.column_stack([rows, np.ones(labels.size)])
    penalty = np.append(np.ones(rows.shape[1]), 0.0)
    rate = float(labels.mean())
    beta = np.append(np.zeros(rows.shape[1]), math.log(rate / (1 - rate)))
    for _ in range(50):
        probability = _sigmoid(design @ beta)
        gradient = design.T @ (probability - labels) + penalty * beta
        curvature = (design.T * (probability * (1 - probability))) @ design + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        beta -= step
        if np.abs(step).max() < 1e-9:
            return LinearModel(beta[:-1], float(beta[-1]), rate)
    raise AssertionError("Newton's method did not converge")


def compute_exact_metrics(model: LinearModel) -> Mapping[str, float]:
    """Return each of metrics.METRICS in the population."""
    scale = float(np.linalg.norm(model.coefficients))
    known = float(COEFFICIENTS[: model.coefficients.size] @ model.coefficients) / scale
    rest = math.sqrt(max(float(COEFFICIENTS @ COEFFICIENTS) - known**2, 0.0))
    # The rate of positive rows at each score, averaged over what the model does not know.
    log_odds = (INTERCEPT + known * _GRID)[:, None] + rest * _NODES
    rate = _sigmoid(log_odds) @ (_WEIGHTS / _WEIGHTS.sum())
    positive, negative = _DENSITY * rate, _DENSITY * (1 - rate)
    below_positive, below_negative = _accumulate(positive), _accumulate(negative)
    positives, negatives = below_positive[-1], below_negative[-1]
    flagged = 1 - (below_positive + below_negative)
    precision = (positives - below_positive) / np.maximum(flagged, 1e-12)
    cut = (math.log(model.threshold / (1 - model.threshold)) - model.intercept) / scale
    missed, cleared = (float(np.interp(cut, _GRID, at)) for at in (below_positive, below_negative))
    recall, specificity = 1 - missed / positives, cleared / negatives
    probability = _sigmoid(model.intercept + scale * _GRID)
    squares = _DENSITY * (probability**2 - 2 * probability * rate + rate)
    return {
        "roc_auc": float(_accumulate(positive * below_negative)[-1] / (positives * negatives)),
        "pr_auc": float(_accumulate(positive * precision)[-1] / positives),
        "recall": recall,
        "precision": (positives - missed) / (1 - missed - cleared),
        "specificity": specificity,
        "balanced_accuracy": (recall + specificity) / 2,
        "brier": float(_accumulate(squares)[-1]),
    }


def _sigmoid(values: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-values)))


def _accumulate(values: FloatArray) -> FloatArray:
    """Integral from the first point of the grid to each point, by the trapezoidal rule."""
    parts = (values[1:] + values[:-1]) / 2 * (_GRID[1] - _GRID[0])
    return np.concatenate([[0.0], np.cumsum(parts)])
