"""Values outside what the model learned from get a warning on every route that predicts."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from pipeline.columns import PROBABILITY_FIELDS
from pipeline.model.bundle import Bundle, TrainingFacts
from pipeline.model.training_range import TrainingRange
from serving.http.rows import EXAMPLE
from tests.support.forest import make_bundle
from tests.support.predictor import INFER, serve_bundle

OLD = EXAMPLE | {"age": 80}
WARNING = {"field": "age", "value": 80, "learned_from": [24, 54]}


def infer(client: httpx.Client, age: float) -> dict[str, Any]:
    data = [age, 1, 6.8, 0, 2.1]
    tensor = {"name": "features", "shape": [1, 5], "datatype": "FP32", "data": data}
    document: dict[str, Any] = client.post(INFER, json={"inputs": [tensor]}).json()
    return document


def count_warnings(client: httpx.Client, field: str) -> float:
    name = f'predictor_rows_outside_training_range_total{{field="{field}"}} '
    lines = client.get("/metrics").text.splitlines()
    return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))


def test_json(client: httpx.Client) -> None:
    """A prediction has a warning per such value, also when it is cached; others have none."""
    for _ in range(3):
        (prediction,) = client.post("/predict", json=OLD).json()["predictions"]
        assert prediction["warnings"] == [WARNING]
    body = [EXAMPLE, OLD | {"sleep_hours": 12.5}]
    usual, unusual = client.post("/predict", json=body).json()["predictions"]
    assert "warnings" not in usual
    assert [warning["field"] for warning in unusual["warnings"]] == ["age", "sleep_hours"]
    explained = client.post("/predict?explain=true", json=OLD).json()["predictions"][0]
    assert explained["warnings"] == [WARNING]
    assert explained["explanation"]["contributions"]


def test_list(client: httpx.Client) -> None:
    """A row of a list has a sentence for each such value."""
    header = ",".join(EXAMPLE)
    rows = [EXAMPLE, OLD, OLD | {"sleep_hours": 0.5}]
    text = "\n".join([header, *(",".join(map(str, row.values())) for row in rows)])
    answer = client.post("/predict/csv", content=text, headers={"Content-Type": "text/csv"})
    usual, old, both = csv.DictReader(io.StringIO(answer.text))
    assert usual["warning"] == ""
    assert old["warning"] == "age is outside 24 to 54, which the model learned from"
    assert "; sleep_hours is outside 3 to 8, which" in both["warning"]
    assert old["label"]
    assert not old["error"]


def test_other_protocols(client: httpx.Client) -> None:
    """`/invocations` keeps the table of predictions plain, and `/v2` its tensors."""
    answer = client.post("/invocations", json={"instances": [EXAMPLE, OLD]}).json()
    assert {tuple(row) for row in answer["predictions"]} == {("label", *PROBABILITY_FIELDS)}
    assert answer["warnings"] == [{"row": 1} | WARNING]
    assert "warnings" not in client.post("/invocations", json={"instances": [EXAMPLE]}).json()
    assert json.loads(infer(client, 80)["parameters"]["warnings"]) == [{"row": 0} | WARNING]
    assert "parameters" not in infer(client, 31)


def test_metrics(client: httpx.Client) -> None:
    """Each such value is counted by its field."""
    before = count_warnings(client, "age")
    client.post("/predict", json=[EXAMPLE, OLD, OLD])
    client.post("/predict", json=OLD)
    assert count_warnings(client, "age") == before + 3


def test_model(client: httpx.Client) -> None:
    """`/model` has the learned ranges, the fraction of failures and the precision."""
    facts = client.get("/model").json()
    training = make_bundle().manifest.training
    assert training is not None
    assert facts["learned_from"]["age"] == [24, 54]
    assert facts["learned_from"]["course"] == ["non_stem", "stem"]
    assert facts["positive_rate"] == training.positive_rate
    assert facts["precision"] == training.precision


def test_bundle_of_an_earlier_release(tmp_path: Path) -> None:
    """Without facts about the training rows, the typical ranges of the columns file count."""
    made = make_bundle()
    bundle = Bundle(made.manifest.model_copy(update={"training": None}), made.files)
    with serve_bundle(tmp_path, bundle) as url:
        (prediction,) = httpx.post(f"{url}/predict", json=OLD).json()["predictions"]
        facts = httpx.get(f"{url}/model").json()
    assert prediction["warnings"] == [WARNING]
    assert (facts["positive_rate"], facts["precision"]) == (None, None)


@pytest.mark.parametrize(
    ("row", "sentences"),
    [
        ((30, 0, 6.8, 0, 2.1), []),
        ((24, 0, 3.1, 1, 7.7), []),
        ((23, 0, 6.8, 0, 2.1), ["age is outside 24 to 54"]),
        ((30, 1, 6.8, 0, 2.1), ["course is not among non_stem"]),
        ((30, 0, 6.8, 0.5, 2.1), ["relationship is not among no, yes"]),
        ((30, 0, 3, 0, 7.8), ["sleep_hours is outside 3.1", "review_hours is outside 1 to"]),
    ],
)
def test_range(row: tuple[float, ...], sentences: list[str]) -> None:
    """Ends of the range are inside; a category between two known codes may be unknown."""
    values = {
        "age": [24.0, 54.0],
        "course": [0.0],
        "sleep_hours": [3.1, 8.0],
        "relationship": [0.0, 1.0],
        "review_hours": [1.0, 7.7],
    }
    known = TrainingRange(TrainingFacts(values=values, positive_rate=0.05, precision=0.1))
    usual = (30, 0, 6.8, 0, 2.1)
    found = known.check(np.array([usual, row], np.float32))
    warned = [str(warning) for warning in found.get(1, ())]
    assert len(warned) == len(sentences)
    for warning, sentence in zip(warned, sentences, strict=True):
        assert warning.startswith(sentence)
        assert warning.endswith(", which the model learned from")
    assert 0 not in found
    assert not (sentences and known.contains(row))


def test_a_usual_row_is_recognized_without_arrays() -> None:
    """If all categories were seen, the quick check knows rows within the ranges."""
    known = TrainingRange(make_bundle().manifest.training)
    assert known.contains((24, 0, 6.8, 0.5, 2.1))
    assert not known.contains((55, 0, 6.8, 0.5, 2.1))
