"""Fit the selected candidate so that it predicts probabilities."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
    import joblib
    from threadpoolctl import threadpool_limits

    from pipeline.model.lightgbm_trees import keep_trees_only

    # The summation order of a BLAS depends on its number of threads.
    with threadpool_limits(1), joblib.parallel_config("sequential"):
        if selection.one_fold is None:
            model = _fit(selection.candidate, data, folds, seed)
            score_threshold = selection.score_threshold
        else:
            model, labels, scores = _fit_on_one_fold(selection.candidate, data, folds, seed)
            score_threshold = choose_score(labels, scores, selection.one_fold)
        model = keep_trees_only(model)
    threshold = selection.probability_threshold
    if threshold is None:
        threshold = calibrate_score(model, score_threshold)
    return FittedModel(model, move_threshold(model, threshold, data.rows))


def move_threshold(model: Pipeline, threshold: float, rows: Float32Array) -> float:
    """Move a threshold midway between the two nearest probabilities of rows, and round it."""
    predicted = np.unique(positive_probability(model, rows))
    below, above = predicted[predicted < threshold], predicted[predicted >= threshold]
    if below.size and above.size:
        threshold = (float(below[-1]) + float(above[0])) / 2
    return round(threshold, THRESHOLD_DECIMALS)


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
    train, test = next(split_into_folds(data, folds, 1, seed))
    held_out = data.take(test)
    trial = candidate.build(seed).fit(data.rows[train], data.labels[train])
    model = calibrate([*trial[:-1]], trial[-1], held_out)
    final = candidate.build(seed).fit(data.rows, data.labels)
    return (
        replace_classifier(model, final[-1]),
        held_out.labels,
        decision_scores(trial, held_out.rows),
    )


def calibrate(transformers: Sequence[Any], classifier: Any, held_out: TrainingData) -> Pipeline:
    """Calibrate a fitted classifier on rows that it did not learn from.

    Args:
        transformers: The steps before the classifier.
        classifier: The fitted classifier.
        held_out: The rows.

    Returns:
        The fitted pipeline.
    """
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator
    from sklearn.pipeline import make_pipeline

    rows = make_pipeline(*transformers).transform(held_out.rows) if transformers else held_out.rows
    calibrated = CalibratedClassifierCV(FrozenEstimator(classifier), cv=2, ensemble=False)
    return make_pipeline(*transformers, calibrated.fit(rows, held_out.labels))


def replace_classifier(model: Pipeline, classifier: Any) -> Pipeline:
    """Return a pipeline with the transformers and the calibration of another.

    Args:
        model: The other pipeline; it is not changed.
        classifier: The fitted classifier to use.
    """
    from sklearn.pipeline import make_pipeline

    calibrated = copy.deepcopy(model[-1])
    calibrated.set_params(estimator=classifier)
    calibrated.calibrated_classifiers_[0].estimator = classifier
    return make_pipeline(*model[:-1], calibrated)
