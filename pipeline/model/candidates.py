"""Candidate models: a table of scikit-learn families, each with fixed settings.

A candidate ranks rows by the classifier's score. For serving, the score is calibrated, because
class weights distort it: Platt scaling fits the curve from out-of-fold scores to probabilities
(Platt, Probabilistic Outputs for Support Vector Machines, 1999). The curve is increasing, so it
changes neither the ranking nor the predicted labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipeline.columns import FEATURES, Category, Feature
from pipeline.model.encoding import is_nominal
from pipeline.model.families import (
    Candidate,
    make_boosting,
    make_forest,
    make_histogram_boosting,
    make_lightgbm,
    make_logistic,
    make_sampling_forest,
    make_tree,
)
from pipeline.types import Float32Array, FloatArray

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from pipeline.settings.training import TrainSettings

TRUSTED_TYPES = [
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.model_selection._split.StratifiedKFold",
    "sklearn.tree._tree.Tree",
]
"""Types in the candidates that skops does not trust by default; it refuses files with any other."""

MAX_PAIRED_FEATURES = 10
"""Most features whose pairs a logistic regression learns: 30 in 5 bins have 11,000 pairs."""
MAX_CODES = 5
"""Most codes of a category without an order that such pairs, and trees, use as they are."""


def decision_scores(model: Pipeline, rows: Float32Array) -> FloatArray:
    """Score rows on the scale that calibration is fitted on.

    Args:
        model: A fitted, uncalibrated pipeline.
        rows: Features, shape (n_rows, n_features).

    Returns:
        Log-odds if the classifier has a decision function, else the probability of the positive
        class, shape (n_rows,).
    """
    if hasattr(model, "decision_function"):
        return np.asarray(model.decision_function(rows), dtype=np.float64)
    return positive_probability(model, rows)


def positive_probability(model: Pipeline, rows: Float32Array) -> FloatArray:
    """Probability of the positive class by a scikit-learn model; see onnx.py for a graph.

    Args:
        model: A fitted pipeline.
        rows: Features, shape (n_rows, n_features).

    Returns:
        Probabilities, shape (n_rows,).
    """
    return np.asarray(model.predict_proba(rows)[:, 1], dtype=np.float64)


def calibrate_score(model: Pipeline, score: float) -> float:
    """Return the probability that a calibrated pipeline assigns to a score of its classifier."""
    calibrator = model[-1].calibrated_classifiers_[0].calibrators[0]
    return float(calibrator.predict(np.array([score]))[0])


def is_mixed(features: Sequence[Feature]) -> bool:
    """Whether a table is wide, has blanks, or has categories of many values without an order."""
    return (
        len(features) > MAX_PAIRED_FEATURES
        or not all(feature.required for feature in features)
        or any(
            is_nominal(feature) and isinstance(feature, Category) and len(feature.codes) > MAX_CODES
            for feature in features
        )
    )


def make_candidates(
    features: Sequence[Feature], settings: TrainSettings | None = None
) -> tuple[Candidate, ...]:
    """Make the candidates for rows that have only these features.

    Args:
        features: The features, in the order of the columns of the rows.
        settings: Which optional candidates there are; None for none of them.

    Returns:
        The candidates, from the simplest to the most complex. A tree with three leaves is a rule
        of two conditions. In a mixed table the logistic regression is additive, without pairs, and
        trees see each category separately.

    Raises:
        SettingsError: If the package of an optional candidate is not installed.
    """
    mixed = is_mixed(FEATURES)  # without some features, as in an ablation, nothing else changes
    simple = (make_tree(features, 3), make_logistic(features, 5, 0.1, has_pairs=not mixed))
    optional = (
        (make_lightgbm(features, 0 if mixed else 20),) if settings and settings.lightgbm else ()
    )
    if mixed:
        boosting, forest = make_histogram_boosting(features), make_sampling_forest(features, 10)
        return (*simple, boosting, *optional, forest)
    boostings = (make_boosting(features, 0), make_boosting(features, 5))
    return (*simple, *boostings, *optional, make_forest(features, 5, 10))


CANDIDATES = make_candidates(FEATURES)
"""The candidates for rows with all features, without the optional ones."""
