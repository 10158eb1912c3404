"""The trees of scikit-learn's histogram gradient boosting: assembled, and prepared for skl2onnx."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import Pipeline

CONVERTER = "SklearnHistGradientBoostingClassifier"
"""Name of skl2onnx's own converter."""


def assemble(
    trees: Sequence[np.ndarray],
    n_features: int,
    parameters: Mapping[str, Any],
    baseline: float = 0.0,
) -> HistGradientBoostingClassifier:
    """Make a fitted model of two classes out of trees that another program grew.

    Args:
        trees: The nodes of each tree, the root first, of the type that `get_node_type` returns.
        n_features: Number of features.
        parameters: Parameters of the model.
        baseline: Log-odds without any tree.

    Returns:
        The model, whose log-odds are the baseline plus the leaves that a row reaches.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor

    model = HistGradientBoostingClassifier(max_iter=1, early_stopping=False)
    model.fit(np.zeros((2, n_features)), [0, 1])  # sets everything that is not a tree
    no_categories = np.zeros((0, 8), np.uint32)
    model._predictors = [[TreePredictor(nodes, no_categories, no_categories)] for nodes in trees]
    model._baseline_prediction = np.full((1, 1), baseline)
    model.set_params(**parameters)
    return model


def get_node_type() -> np.dtype[Any]:
    """Return scikit-learn's type of a node, with fields such as `num_threshold` and `left`."""
    from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE

    node: np.dtype[Any] = PREDICTOR_RECORD_DTYPE
    return node


def to_convertible(model: Pipeline) -> Pipeline:
    """Return a model whose trees skl2onnx can convert.

    skl2onnx copies the numbers of the trees into the graph, which refuses the unsigned ones of the
    nodes. The thresholds become the largest float32 numbers that are not above them, so that
    float32 values go the same way in the graph.

    Args:
        model: A fitted pipeline, calibrated or not; it is not changed.

    Returns:
        A copy for the conversion only, or the model itself if it has no such trees.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    if not isinstance(_get_classifier(model[-1]), HistGradientBoostingClassifier):
        return model
    model = copy.deepcopy(model)
    classifier = _get_classifier(model[-1])
    classifier._predictors = [
        [SimpleNamespace(nodes=[_to_plain_node(node) for node in tree.nodes]) for tree in trees]
        for trees in classifier._predictors
    ]
    classifier.onnx_converter = lambda: _convert
    return model


def _get_classifier(step: Any) -> Any:
    """The classifier of a pipeline's last step, without its calibration."""
    fitted = getattr(step, "calibrated_classifiers_", None)
    return fitted[0].estimator if fitted else step


def _to_plain_node(node: Any) -> dict[str, Any]:
    return {
        "value": np.float64(node["value"]),
        "is_leaf": bool(node["is_leaf"]),
        "feature_idx": node["feature_idx"],
        "threshold": _round_down(float(node["num_threshold"])),
        "left": node["left"],
        "right": node["right"],
        "missing_go_to_left": node["missing_go_to_left"],
    }


def _round_down(value: float) -> float:
    """Return the largest float32 number that is not above a number."""
    rounded = np.float32(value)
    # As float: NumPy would compare in float32.
    return float(np.nextafter(rounded, np.float32(-np.inf)) if float(rounded) > value else rounded)


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """Convert with skl2onnx's own converter."""
    from skl2onnx.common._registration import get_converter

    get_converter(CONVERTER)(scope, operator, _PlainIntegers(container))


class _PlainIntegers:
    """Adds nodes to a container, with Python's integers in their attributes."""

    def __init__(self, container: Any) -> None:
        self._container = container

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def add_node(self, *arguments: Any, **attributes: Any) -> None:
        for name, values in attributes.items():
            if isinstance(values, list) and isinstance(next(iter(values), None), np.integer | int):
                attributes[name] = [int(value) for value in values]
        self._container.add_node(*arguments, **attributes)
