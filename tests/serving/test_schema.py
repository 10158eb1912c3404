"""The two ways into a Row, JSON and numbers, take the same values: both come from pipeline/columns.py."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.columns import FEATURE_NAMES, FEATURES, Category
from serving.problems import Problem
from serving.schema import EXAMPLE, Reader, Student, check, decode

EDGES = [
    value
    for feature in FEATURES
    for value in (
        [*feature.codes.values(), 0.25, 2.0]
        if isinstance(feature, Category)
        else [feature.low, feature.high, feature.low - 1, feature.high + 1, feature.low + 0.5]
    )
]


@given(st.lists(st.one_of(st.sampled_from(EDGES), st.floats(-10, 120)), min_size=len(FEATURES), max_size=len(FEATURES)))
def test_json_and_numbers_agree(values: list[float]) -> None:
    """A row of codes is taken as JSON exactly if it is taken as numbers, and comes out the same."""
    fits = bool(check(np.array([values])).all())
    body = json.dumps(dict(zip(FEATURE_NAMES, values, strict=True))).encode()
    reader = Reader(10)
    if fits:
        assert reader.rows(body) == reader.rows(b"[" + body + b"]") == [tuple(values)]
        assert reader.records([dict(zip(FEATURE_NAMES, values, strict=True))]) == [tuple(values)]
    else:
        with pytest.raises(Problem):
            reader.rows(body)


def test_decode_reads_fields_in_the_order_of_columns() -> None:
    """Keys may come in any order: a row is in the order of columns.py."""
    shuffled: dict[str, Any] = dict(reversed(EXAMPLE.items()))
    assert decode(Student(**shuffled)) == decode(Student(**EXAMPLE))
    assert Reader(1).rows(json.dumps(shuffled).encode()) == Reader(1).rows(json.dumps(EXAMPLE).encode())
