"""JSON, CSV, dictionaries and numbers accept the same values: all derive from the columns file."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from pipeline.columns import FEATURE_NAMES, FEATURES, Category
from serving.http.csv_text import Column
from serving.http.numeric_rows import check
from serving.http.problems import Problem
from serving.http.requests import Reader
from serving.http.rows import EXAMPLE

VALID = [
    float(feature.codes[feature.example] if isinstance(feature, Category) else feature.example)
    for feature in FEATURES
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
NUMBERS = [
    (index, float(value)) for index, values in enumerate(AROUND) for value in [*values, 1e30, -0.0]
]


def replace(row: list[Any], index: int, value: Any) -> dict[str, Any]:
    """The row as a dictionary, with another value for one feature."""
    return dict(zip(FEATURE_NAMES, [*row[:index], value, *row[index + 1 :]], strict=True))


@pytest.mark.parametrize(
    ("index", "value"), NUMBERS, ids=[f"{FEATURE_NAMES[index]} {value}" for index, value in NUMBERS]
)
def test_json_and_numbers_agree(index: int, value: float) -> None:
    """JSON accepts a number exactly if it is accepted in a matrix, and returns it unchanged."""
    record = replace(VALID, index, value)
    values = list(record.values())
    body = json.dumps(record).encode()
    reader = Reader(10)
    if check(np.array([values])).all():
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


def test_numbers_hold_accepted_and_refused_values() -> None:
    """The cases above hold both for every feature."""
    for index in range(len(FEATURES)):
        rows = [
            [*VALID[:index], value, *VALID[index + 1 :]]
            for place, value in NUMBERS
            if place == index
        ]
        accepted = check(np.array(rows)).all(axis=1)
        assert accepted.any()
        assert not accepted.all()


CATEGORIES = [
    (index, feature, spelled, float(code))
    for index, feature in enumerate(FEATURES)
    if isinstance(feature, Category)
    for name, code in feature.codes.items()
    for spelled in (name, name.upper(), name.title(), code, float(code))
]


@pytest.mark.parametrize(("index", "feature", "spelled", "code"), CATEGORIES)
def test_categories_agree(index: int, feature: Category, spelled: str | float, code: float) -> None:
    """JSON, dictionaries and CSV accept a category by its name in any case, and by its code."""
    reader = Reader(10)
    record = EXAMPLE | {feature.name: spelled}
    assert reader.rows(json.dumps(record).encode())[0][index] == code
    assert reader.records([record])[0][index] == code
    assert Column(feature, ",").value(str(spelled)) == code


def test_rows_are_in_the_order_of_columns() -> None:
    """The keys of an object may come in any order."""
    shuffled = dict(reversed(EXAMPLE.items()))
    reader = Reader(1)
    expected = reader.rows(json.dumps(EXAMPLE).encode())
    assert expected == [tuple(VALID)]
    assert reader.rows(json.dumps(shuffled).encode()) == reader.records([shuffled]) == expected
