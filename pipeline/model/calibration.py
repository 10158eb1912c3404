"""Fit the selected candidate so that it predicts probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.model.candidates import Candidate, calibrate_score, positive_probability
from pipeline.model.metrics import Predictions
from pipeline.model.selection import Selection
from pipeline.model.training_data import TrainingData
from pipeline.model.units import split_into_folds
from pipeline.types import Float32Array

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

THRESHOLD_DECIMALS = 6
"""Decimals of a threshold: fewer than float32 has, so that a stored threshold compares alike."""


@dataclass(frozen=True)
class FittedModel:
    """A calibrated model and the probability from which it predicts positive."""

    model: Pipeline
    threshold: float

    def predict(self, rows: Float32Array) -> Predictions:
        """Predict rows, shape (n_rows, n_features)."""
        return Predictions(positive_probability(self.model, rows), self.threshold)


def fit_calibrated(selection: Selection, data: TrainingData, folds: int, seed: int) -> FittedModel:
    """Fit and calibrate the selected candidate.

    A score threshold becomes a probability by the same calibration. It is then moved midway
    between the two nearest predicted probabilities, so that rounding changes no prediction.

    Args:
        selection: The candidate and its threshold.
        data: Rows to fit on.
        folds: Folds of the calibration.
        seed: Seed of the fit and of the folds.

    Returns:
        The fitted model with its threshold.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # the summation order of a BLAS depends on its number of threads
        model = _fit(selection.candidate, data, folds, seed)
    threshold = selection.probability_threshold
    if threshold is None:
        threshold = calibrate_score(model, selection.score_threshold)
    predicted = np.unique(positive_probability(model, data.rows))
    below, above = predicted[predicted < threshold], predicted[predicted >= threshold]
    if below.size and above.size:
        threshold = (float(below[-1]) + float(above[0])) / 2
    return FittedModel(model, round(threshold, THRESHOLD_DECIMALS))


def _fit(candidate: Candidate, data: TrainingData, folds: int, seed: int) -> Pipeline:
    """Fit a calibrated pipeline; the rows of a unit are in the same fold of the calibration."""
    model = candidate.build_calibrated(seed, folds)
    if data.units is None:
        return model.fit(data.rows, data.labels)
    calibrated = model[-1]
    calibrated.set_params(cv=list(split_into_folds(data, folds, 1, seed)))
    model.fit(data.rows, data.labels)
    calibrated.set_params(cv=folds)  # the stored model does not need the indices of its rows
    return model
