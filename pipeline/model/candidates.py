"""Candidate models: scikit-learn families that convert to ONNX exactly, each with a few settings.

A candidate is a pipeline of steps that look at no label (cutting numbers into bins, combining them) and one classifier.
Answers are calibrated: a classifier that was trained with class weights ranks well, but its raw score is no risk. Platt's
method (Probabilistic Outputs for Support Vector Machines, 1999) fits, on scores out of fold, the curve that turns a score
into the risk that people read. The curve rises, so ranking and labels stay as they were.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

Rows = NDArray[np.float32]
"""Features [rows, features]: float32, as the served graph takes them, so that no rounding comes between the two."""
Label = NDArray[np.int64]
Floats = NDArray[np.float64]

TRUSTED_TYPES = [
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.model_selection._split.StratifiedKFold",
    "sklearn.tree._tree.Tree",
]
"""What a candidate holds beyond the types that skops trusts by itself; a skops file with any other is refused."""


@dataclass(frozen=True)
class Candidate:
    """A family with its settings; `name` tells it from every other one, and breaks ties."""

    name: str
    family: str
    parameters: dict[str, Any]
    steps: Callable[[int], list[Any]]
    """From a seed, the pipeline's steps: transformers, then the classifier."""

    def build(self, seed: int) -> Pipeline:
        """The candidate as it is searched with: its scores rank rows, but are no probabilities yet."""
        from sklearn.pipeline import make_pipeline

        return make_pipeline(*self.steps(seed))

    def calibrated(self, seed: int, folds: int) -> Pipeline:
        """The candidate as it is served: the same ranking, as probabilities."""
        from sklearn.calibration import CalibratedClassifierCV
        from sklearn.model_selection import StratifiedKFold
        from sklearn.pipeline import make_pipeline

        *transformers, classifier = self.steps(seed)
        splits = StratifiedKFold(folds, shuffle=True, random_state=seed)
        return make_pipeline(
            *transformers, CalibratedClassifierCV(classifier, cv=splits, ensemble=False)
        )


def scores(model: Pipeline, rows: Rows) -> Floats:
    """What the model ranks rows [rows] by: log-odds where it has them, else its probability; as calibration takes it."""
    if hasattr(model, "decision_function"):
        return np.asarray(model.decision_function(rows), dtype=np.float64)
    return positive_probability(model, rows)


def positive_probability(model: Pipeline, rows: Rows) -> Floats:
    """Probability [rows] of the positive label."""
    return np.asarray(model.predict_proba(rows)[:, 1], dtype=np.float64)


def calibrate_score(model: Pipeline, score: float) -> float:
    """The probability that a calibrated model makes of a score."""
    calibrator = model[-1].calibrated_classifiers_[0].calibrators[0]
    return float(calibrator.predict(np.array([score]))[0])


def _binned(bins: int, encode: str = "ordinal") -> list[Any]:
    """Cuts each feature into bins of equal width; 0 leaves it as it is. The survey's effects begin at whole hours."""
    from sklearn.preprocessing import KBinsDiscretizer

    return (
        [KBinsDiscretizer(bins, encode=encode, strategy="uniform", subsample=None)] if bins else []
    )


def _logistic(bins: int, strength: float) -> Candidate:
    def steps(seed: int) -> list[Any]:
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import PolynomialFeatures

        return [
            *_binned(bins, "onehot-dense"),
            PolynomialFeatures(2, interaction_only=True, include_bias=False),
            LogisticRegression(
                C=strength, class_weight="balanced", max_iter=5000, random_state=seed
            ),
        ]

    parameters = {"bins": bins, "C": strength, "pairs": True, "class_weight": "balanced"}
    return Candidate(f"logistic, {bins} bins, C {strength:g}", "logistic", parameters, steps)


def _forest(bins: int, leaf: int, weight: str | None) -> Candidate:
    def steps(seed: int) -> list[Any]:
        from sklearn.ensemble import RandomForestClassifier

        forest = RandomForestClassifier(
            100,
            min_samples_leaf=leaf,
            max_features=None,
            class_weight=weight,
            n_jobs=1,
            random_state=seed,
        )
        return [*_binned(bins), forest]

    parameters = {"bins": bins, "min_samples_leaf": leaf, "class_weight": weight}
    return Candidate(
        f"forest, {bins} bins, leaf {leaf}, {weight or 'no'} weights", "forest", parameters, steps
    )


def _boosting(bins: int) -> Candidate:
    def steps(seed: int) -> list[Any]:
        from sklearn.ensemble import GradientBoostingClassifier

        # Few, deep-ish steps on small draws of the rows: with so few positives, boosting overfits within a hundred steps.
        boosting = GradientBoostingClassifier(
            n_estimators=100,
            learning_rate=0.05,
            max_depth=3,
            subsample=0.4,
            min_samples_leaf=5,
            random_state=seed,
        )
        return [*_binned(bins), boosting]

    return Candidate(f"boosting, {bins} bins", "boosting", {"bins": bins, "max_depth": 3}, steps)


CANDIDATES: tuple[Candidate, ...] = (
    _logistic(5, 0.1),
    _forest(5, 5, "balanced"),
    _forest(5, 10, "balanced"),
    _forest(5, 10, None),
    _boosting(0),
    _boosting(5),
)
