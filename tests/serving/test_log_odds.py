"""Explanations of wide models are the Shapley values of their log-odds."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, PolynomialFeatures, StandardScaler

from pipeline.model.bundle import ONNX_INPUT, ONNX_OUTPUT
from pipeline.model.histogram_trees import to_convertible
from pipeline.model.lightgbm_trees import LightGBMTrees, keep_trees_only
from pipeline.types import Float32Array, FloatArray
from serving.model.coalitions import CoalitionShapley
from serving.model.log_odds import TREES, LogOddsShapley
from serving.model.onnx_file import OnnxFile, UnsupportedGraph
from serving.model.scorers import onnx_scorer
from serving.model.tree_shapley import MAX_PATH_FEATURES, TreeShapley
from serving.model.trees import Trees, read_trees
from tests.support.random_trees import (
    COMPARISONS,
    RandomTrees,
    make_random_rows,
    make_random_trees,
)

N_FEATURES = 6


def explain(graph: bytes, background: Float32Array, row: Float32Array) -> tuple[float, FloatArray]:
    return LogOddsShapley(graph, onnx_scorer(graph), background).explain(row)


def enumerate_coalitions(
    log_odds: Callable[[Float32Array], Any], background: Float32Array, row: Float32Array
) -> tuple[float, FloatArray]:
    return CoalitionShapley(log_odds, background).explain(row)


@pytest.mark.parametrize("blanks", [0.0, 0.3])
@pytest.mark.parametrize("depth", [0, 1, 5])
def test_trees_equal_the_enumeration(depth: int, blanks: float) -> None:
    """With every comparison, ties and blanks, and with features that occur twice on a path."""
    trees = make_random_trees(N_FEATURES, trees=3, depth=depth, modes=tuple(COMPARISONS))
    *background, row = make_random_rows(N_FEATURES, 9, blanks)
    base, values = explain(trees.to_onnx(), np.array(background), row)
    expected_base, expected = enumerate_coalitions(trees.log_odds, np.array(background), row)
    assert base == pytest.approx(expected_base, abs=1e-9)
    assert values == pytest.approx(expected, abs=1e-9)


def make_shap_trees() -> RandomTrees:
    """Trees of 30 features, which shap has explained."""
    return make_random_trees(30, trees=20, depth=4)


def make_shap_rows() -> tuple[Float32Array, Float32Array]:
    """Return the background and the row that shap has explained."""
    rows = make_random_rows(30, 11)
    return rows[:-1], rows[-1]


SHAP = [
    *(-0.0349288198, -0.0610510668, -0.0462133242, 0.0105260369, -0.0052298566),
    *(0.0054314612, 0.0163471954, -0.0133060098, -0.0380071037, -0.0013888616),
    *(0.0085060612, -0.0288740784, -0.0892808567, -0.0194853687, 0.0419421257),
    *(0.0657487493, -0.1152168375, -0.0250937464, -0.0315112294, 0.0702168579),
    *(0.0234705225, -0.0077873155, -0.0095944223, -0.0115218091, 0.0929541826),
    *(-0.0010273343, 0.0188226809, -0.0674121856, -0.1383258604, 0.0944644666),
]
"""What shap 0.51 gives for them; `make bench` compares it with shap again."""


def test_values_equal_those_of_shap() -> None:
    """Of its TreeExplainer, for an interventional perturbation; it rounds some of its weights."""
    background, row = make_shap_rows()
    _, values = explain(make_shap_trees().to_onnx(), background, row)
    assert values == pytest.approx(SHAP, abs=1e-8)


def to_onnx(model: Any, n_features: int) -> bytes:
    """Convert a fitted model as `pipeline.model.export` does, for any number of features."""
    graph = convert_sklearn(
        model,
        initial_types=[(ONNX_INPUT, FloatTensorType([None, n_features]))],
        final_types=[("label", None), (ONNX_OUTPUT, None)],
        options={"zipmap": False},
        target_opset=17,
    )
    data: bytes = graph.SerializeToString()
    return data


def fit(*steps: Any) -> tuple[Any, Float32Array]:
    """Fit a model; the label depends on two features."""
    rows = make_random_rows(N_FEATURES, 300)
    noise = np.random.default_rng(2).normal(scale=0.2, size=len(rows))
    return make_pipeline(*steps).fit(rows, rows[:, 0] * rows[:, 1] + noise > 0.25), rows


def calibrate(classifier: Any, **options: Any) -> CalibratedClassifierCV:
    return CalibratedClassifierCV(classifier, cv=2, **({"ensemble": False} | options))


def cut(encode: str) -> KBinsDiscretizer:
    return KBinsDiscretizer(3, encode=encode, strategy="uniform", subsample=None)


@pytest.mark.parametrize(
    "steps",
    [
        (calibrate(GradientBoostingClassifier(n_estimators=5)),),
        (cut("ordinal"), calibrate(RandomForestClassifier(5, max_depth=4))),
        (cut("onehot-dense"), calibrate(LogisticRegression())),
        (StandardScaler(), LogisticRegression()),
        (GradientBoostingClassifier(n_estimators=5),),
    ],
    ids=["boosting", "forest", "logistic", "scaled", "uncalibrated"],
)
def test_converted_models_equal_the_enumeration(steps: tuple[Any, ...]) -> None:
    """A feature gets what all columns add that are made from it; float32 rounds the trees."""
    model, rows = fit(*steps)

    def log_odds(rows: Float32Array) -> FloatArray:
        probability = model.predict_proba(rows)[:, 1]
        difference: FloatArray = np.log(probability / (1 - probability))
        return difference

    background, row = rows[:8], rows[20]
    base, values = explain(to_onnx(model, N_FEATURES), background, row)
    expected_base, expected = enumerate_coalitions(log_odds, background, row)
    assert base == pytest.approx(expected_base, abs=2e-6)
    assert values == pytest.approx(expected, abs=2e-6)
    assert np.abs(values).max() > 0.1


def test_lightgbm_equals_the_enumeration_of_its_graph() -> None:
    """To 1e-9: both add up the numbers of the served graph, on rows with and without equal values.

    The model has no trace of LightGBM: only `train` needs the package.
    """
    model, rows = fit(calibrate(LightGBMTrees(max_iter=30, max_leaf_nodes=8)))
    model = keep_trees_only(model)
    assert b"lightgbm" not in pickle.dumps(model).lower()
    graph = to_onnx(to_convertible(model), N_FEATURES)
    (node,) = (node for node in OnnxFile(graph).nodes if node.op_type == TREES)
    calibrator = model[-1].calibrated_classifiers_[0].calibrators[0]
    slope, intercept = np.array([-calibrator.a_, -calibrator.b_], np.float32).astype(np.float64)

    def log_odds(rows: Float32Array) -> FloatArray:
        scores: FloatArray = slope * read_trees(node).predict(rows) + intercept
        return scores

    for row in rows[20:23]:
        base, values = explain(graph, rows[:8], row)
        expected_base, expected = enumerate_coalitions(log_odds, rows[:8], row)
        assert base == pytest.approx(expected_base, abs=1e-9)
        assert values == pytest.approx(expected, abs=1e-9)
    assert np.abs(values).max() > 0.1


def test_a_bin_that_no_background_row_is_in() -> None:
    """A column that is the same for all background rows gets its feature from the row."""
    model, rows = fit(cut("onehot-dense"), calibrate(LogisticRegression()))
    background = rows[rows[:, 0] < 0.3][:8]
    row = np.array([0.9, *background[0][1:]], np.float32)
    base, values = explain(to_onnx(model, N_FEATURES), background[:1], row)
    assert values[1:] == pytest.approx(np.zeros(N_FEATURES - 1))
    (probability,) = model.predict_proba(row[None])[:, 1]
    assert base + values[0] == pytest.approx(np.log(probability / (1 - probability)), abs=1e-5)


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ((PolynomialFeatures(2), calibrate(LogisticRegression())), "several features"),
        ((calibrate(LogisticRegression(), ensemble=True),), "2 nodes"),
        ((calibrate(LogisticRegression(), method="isotonic"),), "not linear in the score"),
        ((RandomForestClassifier(3),), "not linear in the score"),
    ],
    ids=["pairs", "mean of folds", "isotonic", "uncalibrated forest"],
)
def test_other_models_are_refused(steps: tuple[Any, ...], reason: str) -> None:
    """Their log-odds are no sum over trees, or a column is not of one feature."""
    model, rows = fit(*steps)
    with pytest.raises(UnsupportedGraph, match=reason):
        explain(to_onnx(model, N_FEATURES), rows[:8], rows[20])


def test_a_sum_that_is_not_the_prediction_is_refused() -> None:
    trees = make_random_trees(N_FEATURES, trees=3, depth=3)
    other = make_random_trees(N_FEATURES, trees=3, depth=2)
    with pytest.raises(UnsupportedGraph, match="differ from its probabilities"):
        LogOddsShapley(
            trees.to_onnx(), onnx_scorer(other.to_onnx()), make_random_rows(N_FEATURES, 5)
        )


def make_chain(length: int) -> Trees:
    """A tree whose only leaf with a value is reached by values up to 0 of `length` features."""
    inner, leaves = np.arange(length), np.full(length + 1, -1)
    return Trees(
        roots=np.array([0]),
        column=np.concatenate([inner, np.zeros(length + 1, np.int64)]),
        threshold=np.zeros(2 * length + 1, np.float32),
        blank_is_lower=np.zeros(2 * length + 1, bool),
        lower=np.concatenate([inner + 1, leaves]),
        upper=np.concatenate([inner + length + 1, leaves]),
        value=np.eye(1, 2 * length + 1, length)[0],
        offset=0.0,
    )


def test_a_path_of_many_features() -> None:
    """Features that have an effect only together share it; a path has at most 63 features."""
    length = MAX_PATH_FEATURES
    background = np.ones((1, length + 1), np.float32)
    features = np.arange(length + 1)
    trees = make_chain(length)
    values = TreeShapley(trees, background, features, length + 1).explain(
        np.zeros(length + 1, np.float32)
    )
    assert trees.predict(background) == 0
    assert values[:-1] == pytest.approx(np.full(length, 1 / length), abs=1e-12)
    with pytest.raises(UnsupportedGraph, match="more than 63 features"):
        TreeShapley(make_chain(length + 1), background, features, length + 1)


def test_other_branches_are_refused() -> None:
    graph = make_random_trees(N_FEATURES, trees=1, depth=1, modes=("BRANCH_EQ",)).to_onnx()
    with pytest.raises(UnsupportedGraph, match="BRANCH_EQ"):
        explain(graph, *np.split(make_random_rows(N_FEATURES, 2), 2))
