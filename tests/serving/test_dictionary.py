"""GET /columns: the data dictionary as clients read it."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from pipeline.columns import FEATURES, LABEL, SUBJECT, Category
from serving.routes import columns


def answered() -> Any:
    """The answer, as it is after a way through JSON."""
    return json.loads(json.dumps(columns.columns()))


def test_every_feature_is_told_in_the_models_order() -> None:
    """A form can be built from the answer alone: kind, range or codes, step, unit, example, in the order of FEATURES."""
    told = answered()["features"]
    assert [facts["name"] for facts in told] == [feature.name for feature in FEATURES]
    for facts, feature in zip(told, FEATURES, strict=True):
        assert facts["raw"] == feature.raw
        assert facts["example"] == feature.example
        if isinstance(feature, Category):
            assert facts["kind"] == "category"
            assert facts["codes"] == feature.codes
        else:
            assert facts["kind"] == "number"
            assert (facts["low"], facts["high"], facts["step"], facts["unit"]) == (
                feature.low,
                feature.high,
                feature.step,
                feature.unit,
            )
            assert tuple(facts["typical"]) == feature.typical


def test_the_label_and_what_a_row_is_are_told() -> None:
    """The words for the two outcomes and for a row come from the table, not from the page."""
    told = answered()
    assert told["subject"] == SUBJECT
    label = told["label"]
    assert (label["name"], label["positive"], label["negative"]) == (
        LABEL.name,
        LABEL.positive,
        LABEL.negative,
    )


def test_what_only_the_generator_reads_is_left_out() -> None:
    """Shares of categories describe generated samples, which are no concern of a client."""
    fields = {field.name for feature in FEATURES for field in dataclasses.fields(feature)}
    assert columns.FOR_THE_GENERATOR <= fields
    for facts in answered()["features"]:
        assert not columns.FOR_THE_GENERATOR & facts.keys()
