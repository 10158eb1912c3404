"""`GET /columns`: the data dictionary as clients read it."""

from __future__ import annotations

import dataclasses
from typing import Any

import httpx
import pytest

from pipeline.columns import FEATURES, LABEL, SUBJECT, Category
from serving.routes.columns import FOR_THE_GENERATOR


@pytest.fixture
def described(client: httpx.Client) -> Any:
    return client.get("/columns").json()


def test_features_are_in_the_models_order(described: Any) -> None:
    """The response is enough to build a form: kind, range or codes, step, unit and example."""
    features = described["features"]
    assert [facts["name"] for facts in features] == [feature.name for feature in FEATURES]
    for facts, feature in zip(features, FEATURES, strict=True):
        assert (facts["raw"], facts["example"]) == (feature.raw, feature.example)
        if isinstance(feature, Category):
            assert (facts["kind"], facts["codes"]) == ("category", feature.codes)
        else:
            assert facts["kind"] == "number"
            for name in ("low", "high", "step", "unit"):
                assert facts[name] == getattr(feature, name)
            assert tuple(facts["typical"]) == feature.typical


def test_label_and_subject(described: Any) -> None:
    """The names of the two outcomes and of a row come from the columns file."""
    assert described["subject"] == SUBJECT
    for name in ("name", "positive", "negative"):
        assert described["label"][name] == getattr(LABEL, name)


def test_fields_of_the_generator_are_left_out(described: Any) -> None:
    """Weights of generated rows are no concern of a client."""
    fields = {field.name for feature in FEATURES for field in dataclasses.fields(feature)}
    assert fields >= FOR_THE_GENERATOR
    for facts in described["features"]:
        assert not FOR_THE_GENERATOR & facts.keys()
