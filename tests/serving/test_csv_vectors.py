"""The files of csv_vectors.json, which page and API read the same way.

Each file has the rows that it means, in codes and in the order of the features. A row that cannot
be read is `{"invalid": [fields]}`, without fields if the whole row is wrong; `missing` are those
that are reported as missing. `others` are the columns that are kept. `error` says why a whole file
is refused, `columns` which features it is about.
"""

from __future__ import annotations

import csv
import io
import json
import random
from pathlib import Path
from typing import Any

import pytest

from pipeline.columns import FEATURES
from serving.csv_scoring import ADDED_COLUMNS, Table
from serving.http.csv_text import detect_delimiter, get_feature_name
from serving.http.problems import Invalid
from serving.model.served_model import Model, load
from tests.support.forest import make_bundle

VECTORS = json.loads((Path(__file__).parent / "csv_vectors.json").read_text())
MESSAGES = {
    "missing": "No column is named",
    "repeated": "More than one column",
    "empty": "The list is empty",
}


@pytest.fixture(scope="module")
def model() -> Model:
    return load(make_bundle(), "test", None, tolerance=1e-5, cache_size=0)


def feed(table: Table, data: bytes, longest: int) -> tuple[bytes, list[tuple[float, ...]]]:
    """Feed a file in pieces; return the answer and the valid rows."""
    chance = random.Random(1)
    answer, rows = b"", []
    while data:
        size = chance.randint(1, longest)
        answer += table.feed(data[:size])
        rows += table.rows
        data = data[size:]
    answer += table.feed(b"", last=True)
    return answer, rows + table.rows


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_reading(model: Model, vector: dict[str, Any]) -> None:
    """A file is read as it is meant, in one piece and in many."""
    data = vector["text"].encode()
    if "error" in vector:
        with pytest.raises(Invalid) as refused:
            feed(Table(model), data, 1000)
        found = refused.value.findings
        assert [finding.field for finding in found] == vector.get("columns", [])
        messages = [finding.message for finding in found] or [str(refused.value)]
        assert all(message.startswith(MESSAGES[vector["error"]]) for message in messages)
        return
    answer, rows = feed(Table(model), data, 10_000)
    assert feed(Table(model), data, 3) == (answer, rows)
    valid = [tuple(row) for row in vector["rows"] if isinstance(row, list)]
    assert rows == valid
    text = answer.decode()
    if text.lower().startswith("sep="):
        text = text.partition("\n")[2]
    delimiter = detect_delimiter(text, last=True)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    header = reader.fieldnames or []
    own = [name for name in header if get_feature_name(name) is None]
    assert own == [*vector.get("others", []), *ADDED_COLUMNS]
    answered = list(reader)
    assert len(answered) == len(vector["rows"])
    for row, expected in zip(answered, vector["rows"], strict=True):
        if isinstance(expected, list):
            assert (row["label"] != "", row["error"]) == (True, "")
        else:
            named = [feature.name for feature in FEATURES if f"{feature.name} " in row["error"]]
            assert named == expected["invalid"]
            missing = [name for name in named if f"{name} is missing" in row["error"]]
            assert missing == expected.get("missing", [])
            assert row["error"]
            assert row["label"] == ""
