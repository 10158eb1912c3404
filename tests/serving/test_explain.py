"""Explanations are Shapley values by their definition."""

from __future__ import annotations

import itertools
import math

import httpx
import numpy as np
import pytest

from pipeline.columns import FEATURE_NAMES
from pipeline.model.bundle import ONNX
from serving.http.requests import EXAMPLE, Matrix
from serving.model.explain import Explainer
from serving.model.served_model import onnx_scorer
from tests.support.forest import generate_rows, make_bundle, train_forest


def test_values_equal_the_definition() -> None:
    """They are the mean, over all orders, of what a feature adds when it becomes known."""
    bundle = make_bundle(background_rows=7)
    background = np.array(bundle.manifest.background)
    row = generate_rows(50)[0][40].astype(float)

    def value(known: tuple[int, ...]) -> float:
        rows = background.copy()
        rows[:, list(known)] = row[list(known)]
        return float(train_forest().predict_proba(rows.astype(np.float32))[:, 1].mean())

    expected = np.zeros(len(row))
    for order in itertools.permutations(range(len(row))):
        for place, feature in enumerate(order):
            expected[feature] += value(order[: place + 1]) - value(order[:place])
    expected /= math.factorial(len(row))

    explainer = Explainer(onnx_scorer(bundle.files[ONNX]), bundle.manifest.background)
    base, contributions = explainer.shapley(tuple(row.tolist()))
    assert base == pytest.approx(value(()), abs=1e-6)
    assert contributions == pytest.approx(expected.tolist(), abs=1e-6)


def test_unused_and_equal_features() -> None:
    """An unused feature adds exactly 0; two features with the same effect add the same."""

    def score_two_features(rows: Matrix) -> Matrix:
        return (rows[:, 0] + rows[:, 2]) ** 2

    explainer = Explainer(score_two_features, [[0.0] * 5, [2.0] * 5])
    base, contributions = explainer.shapley((5.0, 5.0, 5.0, 5.0, 5.0))
    assert contributions[1] == contributions[3] == contributions[4] == 0
    assert contributions[0] == pytest.approx(contributions[2])
    assert base + sum(contributions) == pytest.approx(100)


def test_contributions_add_up_to_the_prediction(client: httpx.Client) -> None:
    """Base plus contributions is the probability, which is the same without explanation."""
    students = [EXAMPLE | {"age": age} for age in range(24, 40)]
    plain = client.post("/predict", json=students).json()["predictions"]
    for student, unexplained in zip(students, plain, strict=True):
        answer = client.post("/predict?explain=true", json=student).json()["predictions"][0]
        explanation = answer.pop("explanation")
        assert answer == unexplained
        assert list(explanation["contributions"]) == list(FEATURE_NAMES)
        total = explanation["base"] + sum(explanation["contributions"].values())
        assert total == pytest.approx(answer["fail_probability"], abs=1e-6)
