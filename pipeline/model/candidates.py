"""Candidate models: scikit-learn families that convert to ONNX exactly, each with fixed settings.

A candidate is a pipeline of transformers that ignore the label (binning, pairs of features) and a
classifier. A blank becomes a number below all others: one split of a tree separates it, and it has
its own bin.

A candidate ranks rows by the classifier's score. For serving, the score is calibrated, because
class weights distort it: Platt scaling fits the curve from out-of-fold scores to probabilities
(Platt, Probabilistic Outputs for Support Vector Machines, 1999). The curve is increasing, so it
changes neither the ranking nor the predicted labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.columns import FEATURES, HAS_BLANKS, Category, Feature
from pipeline.model.encoding import is_nominal, make_binning, make_filling, make_indicators
from pipeline.types import Float32Array, FloatArray

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

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


@dataclass(frozen=True)
class Candidate:
    """A model family with its settings.

    Attributes:
        name: Unique name; it breaks ties in the ranking.
        family: Name of the family.
        parameters: Settings, as they are reported.
        make_steps: Returns the pipeline's steps for a seed: transformers, then the classifier.
    """

    name: str
    family: str
    parameters: dict[str, Any]
    make_steps: Callable[[int], list[Any]]

    def build(self, seed: int) -> Pipeline:
        """Build the uncalibrated pipeline, whose scores rank rows."""
        from sklearn.pipeline import make_pipeline

        return make_pipeline(*self.make_steps(seed))

    def build_calibrated(self, seed: int, folds: int) -> Pipeline:
        """Build the pipeline that is served: the same ranking, as probabilities.

        Args:
            seed: Seed of the classifier and of the folds.
            folds: Folds of the cross-validation whose scores the calibration is fitted on.

        Returns:
            The unfitted pipeline.
        """
        from sklearn.calibration import CalibratedClassifierCV
        from sklearn.model_selection import StratifiedKFold
        from sklearn.pipeline import make_pipeline

        *transformers, classifier = self.make_steps(seed)
        splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
        return make_pipeline(
            *transformers, CalibratedClassifierCV(classifier, cv=splitter, ensemble=False)
        )


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


def _tree(features: Sequence[Feature], leaves: int) -> Candidate:
    def make_steps(seed: int) -> list[Any]:
        from sklearn.tree import DecisionTreeClassifier

        tree = DecisionTreeClassifier(
            max_leaf_nodes=leaves, min_samples_leaf=5, class_weight="balanced", random_state=seed
        )
        return [*make_filling(features), tree]

    parameters = {"leaves": leaves, "class_weight": "balanced"}
    return Candidate(f"tree, {leaves} leaves", "tree", parameters, make_steps)


def _logistic(
    features: Sequence[Feature],
    bins: int,
    C: float,  # noqa: N803 - scikit-learn's name
) -> Candidate:
    def make_steps(seed: int) -> list[Any]:
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import PolynomialFeatures

        pairs = PolynomialFeatures(2, interaction_only=True, include_bias=False)
        return [
            *make_filling(features),
            *make_binning(features, bins, "onehot-dense"),
            *([pairs] if has_pairs else []),
            LogisticRegression(C=C, class_weight="balanced", max_iter=5000, random_state=seed),
        ]

    has_pairs = not is_mixed(FEATURES)
    parameters = {"bins": bins, "C": C, "pairs": has_pairs, "class_weight": "balanced"}
    return Candidate(f"logistic, {bins} bins, C {C:g}", "logistic", parameters, make_steps)


def _forest(features: Sequence[Feature], bins: int, leaf: int) -> Candidate:
    def make_steps(seed: int) -> list[Any]:
        from sklearn.ensemble import RandomForestClassifier

        forest = RandomForestClassifier(
            100,
            min_samples_leaf=leaf,
            max_features=None,
            class_weight="balanced",
            n_jobs=1,
            random_state=seed,
        )
        return [*make_filling(features), *make_binning(features, bins), forest]

    parameters = {"bins": bins, "min_samples_leaf": leaf, "class_weight": "balanced"}
    return Candidate(f"forest, {bins} bins, leaf {leaf}", "forest", parameters, make_steps)


def _boosting(features: Sequence[Feature], bins: int) -> Candidate:
    def make_steps(seed: int) -> list[Any]:
        from sklearn.ensemble import GradientBoostingClassifier

        # Shallow trees and large leaves delay overfitting. Subsampling would too, but then one more
        # row draws other samples, and moves the ROC AUC by up to 0.04.
        boosting = GradientBoostingClassifier(
            n_estimators=100,
            learning_rate=0.05,
            max_depth=2,
            min_samples_leaf=20,
            random_state=seed,
        )
        return [*make_filling(features), *make_binning(features, bins), boosting]

    parameters = {"bins": bins, "max_depth": 2}
    return Candidate(f"boosting, {bins} bins", "boosting", parameters, make_steps)


def _histogram_boosting(features: Sequence[Feature]) -> Candidate:
    def make_steps(seed: int) -> list[Any]:
        from sklearn.ensemble import HistGradientBoostingClassifier

        boosting = HistGradientBoostingClassifier(
            max_iter=100,
            learning_rate=0.05,
            max_leaf_nodes=8,
            min_samples_leaf=20,
            early_stopping=False,
            random_state=seed,
        )
        return [*make_indicators(features), boosting]

    parameters = {"max_leaf_nodes": 8, "min_samples_leaf": 20}
    return Candidate("histogram boosting, 8 leaves", "boosting", parameters, make_steps)


def _sampling_forest(features: Sequence[Feature], leaf: int) -> Candidate:
    def make_steps(seed: int) -> list[Any]:
        from sklearn.ensemble import RandomForestClassifier

        forest = RandomForestClassifier(
            100,
            min_samples_leaf=leaf,
            max_features="sqrt",
            class_weight="balanced",
            n_jobs=1,
            random_state=seed,
        )
        return [*make_indicators(features), forest]

    parameters = {"min_samples_leaf": leaf, "max_features": "sqrt", "class_weight": "balanced"}
    return Candidate(f"forest, leaf {leaf}", "forest", parameters, make_steps)


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


def make_candidates(features: Sequence[Feature]) -> tuple[Candidate, ...]:
    """Make the candidates for rows that have only these features.

    Args:
        features: The features, in the order of the columns of the rows.

    Returns:
        The candidates, from the simplest to the most complex. A tree with three leaves is a rule
        of two conditions. In a mixed table the logistic regression is additive, without pairs, and
        trees see each category separately.
    """
    if is_mixed(FEATURES):  # of all features: without some, as in an ablation, nothing else changes
        return (
            _tree(features, 3),
            _logistic(features, 5, 0.1),
            _histogram_boosting(features),
            _sampling_forest(features, 10),
        )
    return (
        _tree(features, 3),
        _logistic(features, 5, 0.1),
        _boosting(features, 0),
        _boosting(features, 5),
        _forest(features, 5, 10),
    )


CANDIDATES = make_candidates(FEATURES)
"""The candidates for rows with all features."""


def make_plain_logistic() -> Candidate:
    """Logistic regression on the features as they are: a baseline.

    A blank counts as the mean of its feature, and as a separate feature.
    """

    def make_steps(seed: int) -> list[Any]:
        from sklearn.impute import SimpleImputer
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler

        fill = [SimpleImputer(add_indicator=True)] if HAS_BLANKS else []
        return [*fill, StandardScaler(), LogisticRegression(max_iter=5000, random_state=seed)]

    return Candidate("logistic regression", "logistic", {}, make_steps)
