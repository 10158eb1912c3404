"""Boosted trees that LightGBM grows, stored as scikit-learn's.

LightGBM is optional, and only `train` needs it. The fitted trees become those of a
`HistGradientBoostingClassifier`, which compares and adds the same numbers. So the model is
calibrated, converted, served, explained and loaded as every other, without LightGBM.

A fit uses one thread and a fixed seed, so equal rows give equal trees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from pipeline.errors import SettingsError
from pipeline.model.calibration import replace_classifier
from pipeline.model.families import require_lightgbm
from pipeline.model.histogram_trees import assemble, get_node_type
from pipeline.types import Float32Array, FloatArray, IntArray

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import Pipeline

CHECKED_ROWS = 10_000
"""Most rows on which the scores of the stored trees are compared with LightGBM's."""
MAX_DIFFERENCE = 1e-9
"""Largest accepted difference; the order of a sum changes less."""


class LightGBMTrees(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Gradient boosting by LightGBM; the parameters have scikit-learn's names.

    Args:
        max_iter: Number of trees.
        learning_rate: Factor of each tree.
        max_leaf_nodes: Most leaves of a tree.
        min_samples_leaf: Fewest rows of a leaf.
        random_state: Seed.

    Attributes:
        classes_: The two labels.
        trees_: The fitted model.
    """

    def __init__(
        self,
        max_iter: int = 100,
        learning_rate: float = 0.1,
        max_leaf_nodes: int = 31,
        min_samples_leaf: int = 20,
        random_state: int = 0,
    ) -> None:
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.max_leaf_nodes = max_leaf_nodes
        self.min_samples_leaf = min_samples_leaf
        self.random_state = random_state

    def fit(self, rows: Float32Array, labels: IntArray) -> Self:
        """Grow the trees.

        Args:
            rows: Features without blanks, shape (n_rows, n_features).
            labels: 0 or 1, shape (n_rows,).

        Raises:
            SettingsError: If this version of LightGBM grows trees that scikit-learn's do not equal.
        """
        require_lightgbm()
        import lightgbm

        options = {
            "objective": "binary",
            "learning_rate": self.learning_rate,
            "num_leaves": self.max_leaf_nodes,
            "min_data_in_leaf": self.min_samples_leaf,
            "seed": self.random_state,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "verbosity": -1,
        }
        booster = lightgbm.train(options, lightgbm.Dataset(rows, labels), self.max_iter)
        trees = [_read_tree(tree["tree_structure"]) for tree in booster.dump_model()["tree_info"]]
        self.trees_: HistGradientBoostingClassifier = assemble(
            trees, rows.shape[1], self.get_params()
        )
        self.classes_ = self.trees_.classes_
        scores = booster.predict(rows[:CHECKED_ROWS], raw_score=True, num_threads=1)
        difference = np.abs(self.decision_function(rows[:CHECKED_ROWS]) - scores).max()
        if not difference <= MAX_DIFFERENCE:
            raise SettingsError(
                f"The trees of LightGBM {lightgbm.__version__} cannot be stored: their scores "
                f"would change by {difference:g}. Unset MLOPS_TRAIN__LIGHTGBM, or install the "
                "version of uv.lock."
            )
        return self

    def decision_function(self, rows: Float32Array) -> FloatArray:
        """Return log-odds, shape (n_rows,)."""
        scores: FloatArray = self.trees_.decision_function(rows)
        return scores

    def predict_proba(self, rows: Float32Array) -> FloatArray:
        """Return the probabilities of both classes, shape (n_rows, 2)."""
        probabilities: FloatArray = self.trees_.predict_proba(rows)
        return probabilities

    def predict(self, rows: Float32Array) -> IntArray:
        """Return the more probable class, shape (n_rows,)."""
        labels: IntArray = self.trees_.predict(rows)
        return labels


def keep_trees_only(model: Pipeline) -> Pipeline:
    """Return a calibrated pipeline with the trees of LightGBM in the place of LightGBM."""
    classifier = model[-1].calibrated_classifiers_[0].estimator
    if isinstance(classifier, LightGBMTrees):
        return replace_classifier(model, classifier.trees_)
    return model


def _read_tree(root: dict[str, Any]) -> np.ndarray:
    """Read a tree of LightGBM's JSON; children come after their parent.

    Rows have no blanks (encoding.py fills them), and all splits compare numbers.
    """
    nodes: list[dict[str, Any]] = []
    waiting = [(root, -1, "left")]
    while waiting:
        node, parent, side = waiting.pop()
        index = len(nodes)
        if parent >= 0:
            nodes[parent][side] = index
        if "leaf_value" in node:
            nodes.append({"is_leaf": True, "value": node["leaf_value"]})
            continue
        nodes.append({"feature_idx": node["split_feature"], "num_threshold": node["threshold"]})
        waiting += [(node["right_child"], index, "right"), (node["left_child"], index, "left")]
    read = np.zeros(len(nodes), get_node_type())
    for index, fields in enumerate(nodes):
        for name, value in fields.items():
            read[name][index] = value
    return read
