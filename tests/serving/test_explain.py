"""Explanations: Shapley values as they are defined."""

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
from tests.serving.forest import bundle, survey, trained


def test_equal_the_definition() -> None:
    """They are the mean, over all orders of the features, of what each adds when it becomes known; computed here the long way."""
    made = bundle(background=7)
    forest, _ = trained()
    background = np.array(made.manifest.background)
    row = survey(50)[0][40].astype(float)

    def value(known: tuple[int, ...]) -> float:
        rows = background.copy()
        rows[:, list(known)] = row[list(known)]
        return float(forest.predict_proba(rows.astype(np.float32))[:, 1].mean())

    expected = np.zeros(len(row))
    for order in itertools.permutations(range(len(row))):
        for place, feature in enumerate(order):
            expected[feature] += value(order[: place + 1]) - value(order[:place])
    expected /= math.factorial(len(row))

    base, contributions = Explainer(
        onnx_scorer(made.files[ONNX]), made.manifest.background
    ).shapley(tuple(row.tolist()))
    assert base == pytest.approx(value(()), abs=1e-6)
    assert contributions == pytest.approx(expected.tolist(), abs=1e-6)


def test_what_changes_nothing_adds_nothing() -> None:
    """A feature that the model does not look at adds exactly 0; two that it treats alike, with equal values, add the same."""

    def first_two(rows: Matrix) -> Matrix:
        return (rows[:, 0] + rows[:, 2]) ** 2

    base, contributions = Explainer(first_two, [[0.0] * 5, [2.0] * 5]).shapley(
        (5.0, 5.0, 5.0, 5.0, 5.0)
    )
    assert contributions[1] == contributions[3] == contributions[4] == 0
    assert contributions[0] == pytest.approx(contributions[2])
    assert base + sum(contributions) == pytest.approx(100)


def test_add_up_to_the_prediction(client: httpx.Client) -> None:
    """The base and all contributions add up to the answered probability; the prediction is the one without explanation."""
    students = [EXAMPLE | {"age": age} for age in range(24, 40)]
    plain = client.post("/predict", json=students).json()["predictions"]
    for student, without in zip(students, plain, strict=True):
        answer = client.post("/predict?explain=true", json=student).json()["predictions"][0]
        explanation = answer.pop("explanation")
        assert answer == without
        assert list(explanation["contributions"]) == list(FEATURE_NAMES)
        total = explanation["base"] + sum(explanation["contributions"].values())
        assert total == pytest.approx(answer["fail_probability"], abs=1e-6)
