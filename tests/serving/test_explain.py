"""Explanations are Shapley values by their definition."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

import httpx
import numpy as np
import pytest

from pipeline.columns import FEATURE_NAMES
from pipeline.model.bundle import ONNX, REFITS, Bundle
from serving.http.problems import Invalid
from serving.http.rows import EXAMPLE, Matrix
from serving.model.coalitions import CoalitionShapley
from serving.model.explain import Explainer
from serving.model.explained import explain, to_fields
from serving.model.scorers import onnx_scorer
from serving.model.served_model import Model, load
from tests.support.forest import generate_rows, make_bundle, train_forest, train_refits


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

    shapley = CoalitionShapley(onnx_scorer(bundle.files[ONNX]), background.astype(np.float32))
    base, contributions = shapley.explain(row.astype(np.float32))
    assert base == pytest.approx(value(()), abs=1e-6)
    assert contributions == pytest.approx(expected, abs=1e-6)


def test_unused_and_equal_features() -> None:
    """An unused feature adds exactly 0; two features with the same effect add the same."""

    def score_two_features(rows: Matrix) -> Matrix:
        return (rows[:, 0] + rows[:, 2]) ** 2

    background = np.array([[0.0] * 5, [2.0] * 5], np.float32)
    shapley = CoalitionShapley(score_two_features, background)
    base, contributions = shapley.explain(np.full(5, 5, np.float32))
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
        for name in ("stability", "unsure", "verdict", "risk"):
            answer.pop(name)
        assert answer == unexplained
        assert explanation["scale"] == "probability"
        assert list(explanation["contributions"]) == list(FEATURE_NAMES)
        total = explanation["base"] + sum(explanation["contributions"].values())
        assert total == pytest.approx(answer["probability"], abs=1e-6)


def explain_rows(model: Model, rows: Matrix, min_stability: float = 0.8) -> list[dict[str, Any]]:
    """Return the labels and the fields that explain them."""
    given = [tuple(row) for row in rows.tolist()]
    return [
        {"label": model.label(scored.probability)}
        | json.loads(b"{%b}" % to_fields(model, scored, explained, min_stability))
        for scored, explained in zip(model.score(given), explain(model, given), strict=True)
    ]


def test_stability_is_the_fraction_of_refits_with_the_same_label() -> None:
    """Of those trained on other rows, and a label that too few of them give is unsure."""
    model = load(make_bundle(), "test", None, tolerance=1e-5, cache_size=0)
    rows = generate_rows(200, seed=1).rows
    answers = explain_rows(model, rows)
    votes = np.array([refit.predict(rows).positive for refit in train_refits().models])
    for answer, positive in zip(answers, votes.mean(axis=0), strict=True):
        agreeing = positive if answer["label"] == "fail" else 1 - positive
        assert answer["stability"] == pytest.approx(agreeing, abs=1e-3)
        assert answer["unsure"] == (answer["stability"] < 0.8)
        assert answer["verdict"] == ("at risk" if answer["label"] == "fail" else "no sign")
    assert {answer["unsure"] for answer in answers} == {True, False}
    assert not any(answer["unsure"] for answer in explain_rows(model, rows, min_stability=0))


def test_a_bundle_without_refits_has_no_stability() -> None:
    """Bundles of earlier releases have none, and a copy may lack the file."""
    good = make_bundle()
    files = {name: data for name, data in good.files.items() if name != REFITS}
    earlier = good.manifest.model_copy(update={"refits": None})
    for manifest in (earlier, good.manifest):
        model = load(Bundle(manifest, files), "test", None, tolerance=1e-5, cache_size=0)
        (answer,) = explain_rows(model, generate_rows(1).rows)
        assert set(answer) == {"label", "explanation", "verdict", "risk"}


def test_the_model_has_facts_about_its_refits(client: httpx.Client) -> None:
    """The page needs them to say how many of the refits agree."""
    facts = client.get("/model").json()
    assert facts["refits"] == len(train_refits().models)
    assert facts["min_stability"] == 0.8
    assert facts["flagged_below_rate"] == 0


def test_a_bundle_without_a_background_has_no_explanations() -> None:
    """The refusal has the reason."""
    explainer = Explainer(onnx_scorer(make_bundle().files[ONNX]), [])
    with pytest.raises(Invalid, match="no background sample"):
        explainer.explain(tuple(generate_rows(1).rows[0].tolist()))
