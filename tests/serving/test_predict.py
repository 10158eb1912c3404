"""`POST /predict`: correct predictions, and an error that names the cause for every bad request."""

from __future__ import annotations

import httpx
import numpy as np
import pytest

from pipeline.columns import FEATURE_NAMES, FEATURES, Category
from serving.http.rows import EXAMPLE
from serving.oip_schema import EXAMPLE_TENSOR
from tests.support.forest import generate_rows, make_bundle, train_forest
from tests.support.predictor import INFER

JSON = {"Content-Type": "application/json"}
BODY = (
    '{"age": 31, "course": "stem", "sleep_hours": 6.8, "relationship": "no", "review_hours": 2.1}'
)


def post(client: httpx.Client, body: str | bytes, **headers: str) -> httpx.Response:
    return client.post("/predict", content=body, headers=JSON | headers)


def test_predictions_equal_scikit_learn(client: httpx.Client) -> None:
    """One row, a few and many get the trained forest's probabilities, in the order of the rows."""
    inputs = generate_rows(300).rows
    expected = train_forest().predict_proba(inputs)[:, 1]
    students = [
        dict(zip(FEATURE_NAMES, row, strict=True))
        for row in np.round(inputs.astype(float), 1).tolist()
    ]
    many = client.post("/predict", json=students).json()["predictions"]
    few = [
        prediction
        for start in range(0, 300, 10)
        for prediction in client.post("/predict", json=students[start : start + 10]).json()[
            "predictions"
        ]
    ]
    single = [
        client.post("/predict", json=student).json()["predictions"][0] for student in students[:50]
    ]
    for predictions in (many, few, single):
        probabilities = [prediction["probability"] for prediction in predictions]
        assert probabilities == pytest.approx(expected[: len(predictions)].tolist(), abs=1e-6)
        labels = ["fail" if probability >= 0.5 else "pass" for probability in probabilities]
        assert [prediction["label"] for prediction in predictions] == labels


def test_the_survey_keeps_the_earlier_name_of_the_probability(client: httpx.Client) -> None:
    """JSON, MLflow's table and tensors have both names; tests/data/test_own_data.py has one."""
    (plain,) = client.post("/predict", json=EXAMPLE).json()["predictions"]
    table = {"dataframe_records": [EXAMPLE]}
    (row,) = client.post("/invocations", json=table).json()["predictions"]
    tensors = client.post(INFER, json=EXAMPLE_TENSOR).json()["outputs"]
    named = {tensor["name"]: tensor["data"][0] for tensor in tensors}
    for answer in (plain, row, named):
        assert set(answer) == {"label", "probability", "fail_probability"}
        assert answer["probability"] == answer["fail_probability"]


def test_response_names_its_model(client: httpx.Client) -> None:
    """Body and header name the model; the threshold is the manifest's."""
    answer = client.post("/predict", json=EXAMPLE)
    assert answer.json()["model"] == {
        "name": "student-performance",
        "version": "1",
        "run_id": "run-a",
    }
    assert answer.json()["threshold"] == make_bundle().manifest.threshold
    assert answer.headers["x-model-version"] == "1"


def test_categories_by_name_and_by_code(client: httpx.Client) -> None:
    """A category's name in any case, and its code as integer or float, are the same."""
    for feature in FEATURES:
        if isinstance(feature, Category):
            for name, code in feature.codes.items():
                answers = {
                    client.post("/predict", json=EXAMPLE | {feature.name: value}).text
                    for value in (name, name.upper(), code, float(code))
                }
                assert len(answers) == 1


def test_request_id(client: httpx.Client) -> None:
    """A safe request id is returned; one that could break a header or a log line is replaced."""
    assert post(client, BODY, **{"X-Request-ID": "abc-1"}).headers["x-request-id"] == "abc-1"
    unsafe = {'a"b', "x" * 200, "a b"}
    replaced = {
        post(client, BODY, **{"X-Request-ID": bad}).headers["x-request-id"] for bad in unsafe
    }
    assert len(replaced) == 3
    assert not replaced & unsafe


REFUSED: dict[str, tuple[str | bytes, int, str | None, str]] = {
    "no JSON": ("{", 400, None, "not valid JSON"),
    "nothing": ("", 400, None, "not valid JSON"),
    "random bytes": (b"\xff\x00\xfe", 400, None, "not valid JSON"),
    "not UTF-8": (b'{"age": "\xff"}', 400, None, "not valid JSON"),
    "deep nesting": ("[" * 5_000, 400, None, "recursion"),
    "trailing text": (BODY + "x", 400, None, "trailing"),
    "a number of 5,000 digits": (BODY.replace("31", "9" * 5000), 400, None, "number out of range"),
    "a number": ("3", 422, None, ""),
    "null": ("null", 422, None, ""),
    "an empty list": ("[]", 422, None, "at least 1"),
    "a list in a list": (f"[[{BODY}]]", 422, None, ""),
    "NaN": (BODY.replace("31", "NaN"), 422, "age", "finite"),
    "Infinity": (BODY.replace("6.8", "Infinity"), 422, "sleep_hours", "finite"),
    "1e400": (BODY.replace("6.8", "1e400"), 422, "sleep_hours", "finite"),
    "too large": (BODY.replace("31", "1e30"), 422, "age", "less than or equal"),
    "below the range": (BODY.replace("31", "3"), 422, "age", "greater than or equal"),
    "part of a year": (BODY.replace("31", "31.5"), 422, "age", "multiple of 1"),
    "text for a number": (BODY.replace("31", '"31"'), 422, "age", "valid number"),
    "true for a number": (BODY.replace("31", "true"), 422, "age", "valid number"),
    "true for a code": (BODY.replace('"no"', "true"), 422, "relationship", "not a boolean"),
    "false for a code": (BODY.replace('"stem"', "false"), 422, "course", "not a boolean"),
    "null for a number": (BODY.replace("31", "null"), 422, "age", "valid number"),
    "null for a category": (BODY.replace('"no"', "null"), 422, "relationship", "'complicated'"),
    "a list for a category": (BODY.replace('"no"', "[0]"), 422, "relationship", "'complicated'"),
    "an unknown category": (BODY.replace('"stem"', '"art"'), 422, "course", "'stem'"),
    "a code between two": (BODY.replace('"no"', "0.25"), 422, "relationship", "0.5"),
    "an unknown field": (BODY.replace("{", '{"name": 1, ', 1), 422, "name", "not permitted"),
    "a missing field": (BODY.replace('"age": 31, ', ""), 422, "age", "required"),
    "a repeated key": (BODY.replace("{", '{"age": 20, ', 1), 422, "age", "twice"),
    "a repeated key with an escape": (
        BODY.replace("{", '{"\\u0061ge": 20, ', 1),
        422,
        "age",
        "twice",
    ),
}


@pytest.mark.parametrize(("body", "status", "field", "message"), REFUSED.values(), ids=REFUSED)
def test_bad_bodies(
    client: httpx.Client, body: str | bytes, status: int, field: str | None, message: str
) -> None:
    """Each kind of bad body gets its status and a problem document that names the field."""
    answer = post(client, body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    fields = [finding["field"] for finding in problem["errors"]]
    assert field is None or field in fields
    assert message in answer.text


def test_errors_name_the_row(client: httpx.Client) -> None:
    """In a list, every error names its row."""
    body = f"[{BODY}, {BODY.replace('31', '3')}, {BODY}, {BODY.replace('6.8', '99')}]"
    errors = post(client, body).json()["errors"]
    assert [(error["row"], error["field"]) for error in errors] == [(1, "age"), (3, "sleep_hours")]
    repeated = BODY.replace("{", '{"age": 20, ', 1)
    errors = post(client, f"[{BODY}, {repeated}]").json()["errors"]
    assert [(error["row"], error["field"]) for error in errors] == [(1, "age")]


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/jsonx", 415),
        ("", 415),
        ("application/json; charset=utf-8", 200),
        ("APPLICATION/JSON", 200),
        ("application/problem+json", 200),
    ],
)
def test_content_type(client: httpx.Client, content_type: str, status: int) -> None:
    """Only JSON, under any of its names, is accepted."""
    headers = {"Content-Type": content_type}
    assert client.post("/predict", content=BODY, headers=headers).status_code == status


def test_fast_path_and_framework_agree(client: httpx.Client) -> None:
    """A query leads through FastAPI; status, headers and body are the same as without one."""

    def read(path: str, body: str | bytes) -> tuple[int, bytes, dict[str, str]]:
        answer = client.post(path, content=body, headers=JSON)
        differing = ("date", "x-request-id")
        headers = {name: value for name, value in answer.headers.items() if name not in differing}
        return answer.status_code, answer.content, headers

    for body in [BODY, f"[{BODY}]", *(body for body, *_ in REFUSED.values())]:
        assert read("/predict", body) == read("/predict?explain=false", body)
