"""Fit the selected candidate so that it predicts probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.model.candidates import calibrate_score, decision_scores, positive_probability
from pipeline.model.families import Candidate
from pipeline.model.metrics import Predictions
from pipeline.model.selection import Selection
from pipeline.model.thresholds import choose_score
from pipeline.model.training_data import TrainingData
from pipeline.model.units import split_into_folds
from pipeline.types import Float32Array, FloatArray, IntArray

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
        selection: The candidate and its threshold, or that one held-out fold determines it.
        data: Rows to fit on.
        folds: Folds of the calibration.
        seed: Seed of the fit and of the folds.

    Returns:
        The fitted model with its threshold.
    """
    from threadpoolctl import threadpool_limits

    from pipeline.model.lightgbm_trees import keep_trees_only

    with threadpool_limits(1):  # the summation order of a BLAS depends on its number of threads
        if selection.one_fold is None:
            model = _fit(selection.candidate, data, folds, seed)
            score_threshold = selection.score_threshold
        else:
            model, labels, scores = _fit_on_one_fold(selection.candidate, data, folds, seed)
            score_threshold = choose_score(labels, scores, selection.one_fold)
        keep_trees_only(model)
    threshold = selection.probability_threshold
    if threshold is None:
        threshold = calibrate_score(model, score_threshold)
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


def _fit_on_one_fold(
    candidate: Candidate, data: TrainingData, folds: int, seed: int
) -> tuple[Pipeline, IntArray, FloatArray]:
    """Fit a pipeline on all rows, calibrated by a fit without the first fold.

    Also return the labels and the scores of that fold.
    """
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator
    from sklearn.pipeline import make_pipeline

    train, test = next(split_into_folds(data, folds, 1, seed))
    rows, labels = data.rows[test], data.labels[test]
    trial = candidate.build(seed).fit(data.rows[train], data.labels[train])
    calibrated = CalibratedClassifierCV(FrozenEstimator(trial[-1]), cv=2, ensemble=False)
    calibrated.fit(trial[:-1].transform(rows) if len(trial) > 1 else rows, labels)
    final = candidate.build(seed).fit(data.rows, data.labels)
    calibrated.set_params(estimator=final[-1])
    calibrated.calibrated_classifiers_[0].estimator = final[-1]
    return make_pipeline(*final[:-1], calibrated), labels, decision_scores(trial, rows)
