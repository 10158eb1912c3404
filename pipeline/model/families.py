"""Families of models that convert to ONNX exactly; candidates.py has the table of candidates.

A candidate is a pipeline of transformers that ignore the label (binning, pairs of features) and a
classifier. A blank becomes a number below all others: one split of a tree separates it, and it has
its own bin.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from pipeline.columns import HAS_BLANKS, Feature
from pipeline.errors import SettingsError
from pipeline.model.encoding import make_binning, make_filling, make_indicators

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


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


def make_tree(features: Sequence[Feature], leaves: int) -> Candidate:
    """A decision tree; with three leaves it is a rule of two conditions."""

    def make_steps(seed: int) -> list[Any]:
        from sklearn.tree import DecisionTreeClassifier

        tree = DecisionTreeClassifier(
            max_leaf_nodes=leaves, min_samples_leaf=5, class_weight="balanced", random_state=seed
        )
        return [*make_filling(features), tree]

    parameters = {"leaves": leaves, "class_weight": "balanced"}
    return Candidate(f"tree, {leaves} leaves", "tree", parameters, make_steps)


def make_logistic(
    features: Sequence[Feature],
    bins: int,
    C: float,  # noqa: N803 - scikit-learn's name
    has_pairs: bool,
) -> Candidate:
    """Logistic regression on bins, with or without the products of pairs of them."""

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

    parameters = {"bins": bins, "C": C, "pairs": has_pairs, "class_weight": "balanced"}
    return Candidate(f"logistic, {bins} bins, C {C:g}", "logistic", parameters, make_steps)


def make_forest(features: Sequence[Feature], bins: int, leaf: int) -> Candidate:
    """A random forest on bins, whose trees see all features at every split."""

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


def make_boosting(features: Sequence[Feature], bins: int) -> Candidate:
    """Gradient boosting on values, or on bins."""

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


def make_histogram_boosting(features: Sequence[Feature]) -> Candidate:
    """Histogram gradient boosting, with a column per category."""

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


def require_lightgbm() -> None:
    """Check that LightGBM is installed, in the stage or on a worker.

    Raises:
        SettingsError: If it is not.
    """
    if find_spec("lightgbm") is None:
        raise SettingsError(
            "MLOPS_TRAIN__LIGHTGBM is true, but the package lightgbm is not installed. Run "
            "`uv sync --frozen --inexact --group lightgbm`, use images of `train` and of Dask's "
            "workers that were built with --build-arg EXTRA_GROUPS=lightgbm, or unset the variable."
        )


def make_lightgbm(features: Sequence[Feature], bins: int) -> Candidate:
    """Histogram gradient boosting by LightGBM, which is an optional package.

    Args:
        features: The features, in the order of the columns of the rows.
        bins: Number of bins of a number; 0 for bins by LightGBM, and a column per category.

    Raises:
        SettingsError: If it is not installed.
    """
    require_lightgbm()

    def make_steps(seed: int) -> list[Any]:
        from pipeline.model.lightgbm_trees import LightGBMTrees

        boosting = LightGBMTrees(
            max_iter=100,
            learning_rate=0.05,
            max_leaf_nodes=8,
            min_samples_leaf=20,
            random_state=seed,
        )
        if not bins:
            return [*make_indicators(features), boosting]
        return [*make_filling(features), *make_binning(features, bins), boosting]

    parameters = {"bins": bins, "max_leaf_nodes": 8, "min_samples_leaf": 20}
    return Candidate("LightGBM, 8 leaves", "lightgbm", parameters, make_steps)


def make_sampling_forest(features: Sequence[Feature], leaf: int) -> Candidate:
    """A random forest whose trees see some features at every split."""

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
