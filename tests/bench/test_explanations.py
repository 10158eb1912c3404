"""Explanations of wide models: equal to those of shap in its own environment, and their time."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.types import Float32Array, FloatArray
from serving.model.log_odds import LogOddsShapley
from serving.model.scorers import onnx_scorer
from tests.bench.environments import create_environment, run_program
from tests.serving.test_log_odds import SHAP, make_shap_rows, make_shap_trees
from tests.support.random_trees import (
    INTERCEPT,
    SLOPE,
    RandomTrees,
    make_random_rows,
    make_random_trees,
)

PROGRAMS = Path(__file__).with_name("shap")


@pytest.fixture(scope="module")
def python() -> Path:
    """The interpreter of shap's environment."""
    return create_environment("shap", PROGRAMS / "requirements.txt", ">=3.11,<3.15")


def describe(trees: RandomTrees) -> list[dict[str, list[Any]]]:
    """Return the trees as arrays of nodes."""
    count, inner = trees.feature.shape
    node = np.arange(2 * inner + 1)
    lower, upper = (np.where(node < inner, 2 * node + side, -1) for side in (1, 2))
    described = []
    for tree in range(count):
        blank = np.append(trees.blank_is_true[tree], [False] * (inner + 1))
        described.append(
            {
                "lower": lower.tolist(),
                "upper": upper.tolist(),
                "blank": np.where(blank, lower, upper).tolist(),
                "feature": [*trees.feature[tree].tolist(), *[0] * (inner + 1)],
                "threshold": [*trees.threshold[tree].tolist(), *[0.0] * (inner + 1)],
                "value": [*[0.0] * inner, *trees.value[tree].tolist()],
            }
        )
    return described


def explain_with_shap(
    python: Path, trees: RandomTrees, background: Float32Array, rows: Float32Array
) -> tuple[float, FloatArray, float]:
    """Return base and values on the scale of log-odds, and the CPU seconds per row."""
    given = {
        "trees": describe(trees),
        "background": background.tolist(),
        "rows": rows.tolist(),
    }
    found = run_program(python, PROGRAMS / "explain.py", given)
    values: FloatArray = -SLOPE * np.array(found["values"])
    return -(SLOPE * found["base"] + INTERCEPT), values, found["seconds"]


@pytest.mark.bench
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("blanks", [0.0, 0.2])
def test_equal_to_shap(python: Path, blanks: float) -> None:
    """On 30 features: the recorded values, and larger trees with repeated features."""
    background, row = make_shap_rows()
    _, (recorded,), _ = explain_with_shap(python, make_shap_trees(), background, row[None])
    assert recorded == pytest.approx(SHAP, abs=1e-9)

    trees = make_random_trees(30, trees=100, depth=6)
    rows = make_random_rows(30, 110, blanks)
    background, rows = rows[:100], rows[100:]
    expected_base, expected, _ = explain_with_shap(python, trees, background, rows)
    explainer = make_explainer(trees.to_onnx(), background)
    for row, values in zip(rows, expected, strict=True):
        base, found = explainer.explain(row)
        assert base == pytest.approx(expected_base, abs=1e-9)
        assert found == pytest.approx(values, abs=1e-8)


@pytest.mark.bench
@pytest.mark.timeout(1_800)
def test_time(python: Path) -> None:
    """The CPU time of one row is at most 10 times that of shap's C++ code."""
    rows = make_random_rows(100, 105)
    background, rows = rows[:100], rows[100:]
    for depth in (2, 6, 10):
        trees = make_random_trees(100, trees=200, depth=depth)
        explainer = make_explainer(trees.to_onnx(), background)
        milliseconds = sorted(measure(explainer, row) for row in rows)
        *_, seconds = explain_with_shap(python, trees, background, rows)
        sys.stdout.write(
            f"100 features, 200 trees of depth {depth}, 100 background rows: median "
            f"{milliseconds[2]:.1f} ms, at most {milliseconds[-1]:.1f} ms; "
            f"shap {1000 * seconds:.1f} ms\n"
        )
        assert milliseconds[2] < 10 * 1000 * seconds


def make_explainer(graph: bytes, background: Float32Array) -> LogOddsShapley:
    return LogOddsShapley(graph, onnx_scorer(graph), background)


def measure(explainer: LogOddsShapley, row: Float32Array) -> float:
    """Return the CPU time of an explanation in ms; the process has one thread that computes."""
    began = time.process_time()
    explainer.explain(row)
    return 1000 * (time.process_time() - began)
