"""The two ways into a Row, JSON and numbers, take the same values: both come from pipeline/columns.py."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from pipeline.columns import FEATURE_NAMES, FEATURES, Category
from serving.http.problems import Problem
from serving.http.requests import CODES, EXAMPLE, Reader, Student, check, decode

VALID = [
    codes[value] if codes else float(value)
    for codes, value in zip(CODES, EXAMPLE.values(), strict=True)
]
AROUND = [
    [*feature.codes.values(), 0.25, 2.0, -1.0]
    if isinstance(feature, Category)
    else [
        feature.low,
        feature.high,
        feature.low - 1,
        feature.high + 1,
        feature.low + 0.5,
        feature.high - 0.5,
    ]
    for feature in FEATURES
]
CASES = [
    (index, float(value)) for index, values in enumerate(AROUND) for value in [*values, 1e30, -0.0]
]


@pytest.mark.parametrize(
    ("index", "value"), CASES, ids=[f"{FEATURE_NAMES[index]} {value}" for index, value in CASES]
)
def test_json_and_numbers_agree(index: int, value: float) -> None:
    """A value is taken as JSON exactly if it is taken as a number, and comes out the same."""
    values = [*VALID[:index], value, *VALID[index + 1 :]]
    fits = bool(check(np.array([values])).all())
    record = dict(zip(FEATURE_NAMES, values, strict=True))
    body = json.dumps(record).encode()
    reader = Reader(10)
    if fits:
        assert (
            reader.rows(body)
            == reader.rows(b"[" + body + b"]")
            == reader.records([record])
            == [tuple(values)]
        )
    else:
        with pytest.raises(Problem):
            reader.rows(body)
        with pytest.raises(Problem):
            reader.records([record])


def test_both_answers_occur() -> None:
    """The cases above hold values that are taken and values that are not, of every feature."""
    for index in range(len(FEATURES)):
        rows = [
            [*VALID[:index], value, *VALID[index + 1 :]] for place, value in CASES if place == index
        ]
        taken = check(np.array(rows)).all(axis=1)
        assert taken.any()
        assert not taken.all()


def test_decode_reads_fields_in_the_order_of_columns() -> None:
    """Keys may come in any order: a row is in the order of columns.py."""
    shuffled: dict[str, Any] = dict(reversed(EXAMPLE.items()))
    assert decode(Student(**shuffled)) == decode(Student(**EXAMPLE))
    assert Reader(1).rows(json.dumps(shuffled).encode()) == Reader(1).rows(
        json.dumps(EXAMPLE).encode()
    )
