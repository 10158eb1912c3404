"""`POST /predict`: right answers, and a stated answer to everything that is none of its business."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from pipeline.columns import FEATURE_NAMES, FEATURES, Category
from serving.http.requests import EXAMPLE
from tests.serving.forest import bundle, survey, trained
from tests.serving.predictor import ROOT, running, wait_for

JSON = {"Content-Type": "application/json"}
BODY = (
    '{"age": 31, "course": "stem", "sleep_hours": 6.8, "relationship": "no", "review_hours": 2.1}'
)


def post(client: httpx.Client, body: str | bytes, **headers: str) -> httpx.Response:
    return client.post("/predict", content=body, headers=JSON | headers)


def test_answers_equal_scikit_learn(client: httpx.Client) -> None:
    """One by one, a few, and many at once: every answer is the trained forest's, to 1e-6, in the order of the rows."""
    inputs, _ = survey(300)
    forest, _ = trained()
    expected = forest.predict_proba(inputs)[:, 1]
    students = [
        dict(zip(FEATURE_NAMES, row, strict=True))
        for row in np.round(inputs.astype(float), 1).tolist()
    ]
    many = client.post("/predict", json=students).json()["predictions"]
    few = [
        p
        for start in range(0, 300, 10)
        for p in client.post("/predict", json=students[start : start + 10]).json()["predictions"]
    ]
    single = [
        client.post("/predict", json=student).json()["predictions"][0] for student in students[:50]
    ]
    for answered in (many, few, single):
        probabilities = [item["fail_probability"] for item in answered]
        assert probabilities == pytest.approx(expected[: len(answered)].tolist(), abs=1e-6)
        assert [item["label"] for item in answered] == [
            "fail" if p >= 0.5 else "pass" for p in probabilities
        ]


def test_answer_names_its_model(client: httpx.Client) -> None:
    """Body and header name the model; the threshold is the manifest's."""
    answer = client.post("/predict", json=EXAMPLE)
    assert answer.json()["model"] == {
        "name": "student-performance",
        "version": "1",
        "run_id": "run-a",
    }
    assert answer.json()["threshold"] == bundle().manifest.threshold
    assert answer.headers["x-model-version"] == "1"


def test_categories_by_name_and_by_code(client: httpx.Client) -> None:
    """A category's name and its code, as a whole number or not, are the same."""
    for feature in FEATURES:
        if isinstance(feature, Category):
            for name, code in feature.codes.items():
                answers = [
                    client.post("/predict", json=EXAMPLE | {feature.name: value}).text
                    for value in (name, code, float(code))
                ]
                assert len(set(answers)) == 1


def test_request_id(client: httpx.Client) -> None:
    """A plain request id comes back; one that could break a header, a log line or JSON is replaced."""
    assert post(client, BODY, **{"X-Request-ID": "abc-1"}).headers["x-request-id"] == "abc-1"
    replaced = {
        post(client, BODY, **{"X-Request-ID": bad}).headers["x-request-id"]
        for bad in ('a"b', "x" * 200, "a b")
    }
    assert len(replaced) == 3
    assert not replaced & {'a"b', "x" * 200, "a b"}


REFUSED: dict[str, tuple[str | bytes, int, str | None, str]] = {
    "no JSON": ("{", 400, None, "not valid JSON"),
    "nothing": ("", 400, None, "not valid JSON"),
    "random bytes": (b"\xff\x00\xfe", 400, None, "not valid JSON"),
    "not UTF-8": (b'{"age": "\xff"}', 400, None, "not valid JSON"),
    "deep nesting": ("[" * 100_000, 400, None, "recursion"),
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
    "true for a code": (BODY.replace('"no"', "true"), 422, "relationship", "boolean"),
    "false for a code": (BODY.replace('"stem"', "false"), 422, "course", ""),
    "null for a number": (BODY.replace("31", "null"), 422, "age", "valid number"),
    "an unknown category": (BODY.replace('"stem"', '"art"'), 422, "course", "'stem'"),
    "a code between two": (BODY.replace('"no"', "0.25"), 422, "relationship", "0.5"),
    "an unknown field": (BODY.replace("{", '{"name": 1, ', 1), 422, "name", "not permitted"),
    "a missing field": (BODY.replace('"age": 31, ', ""), 422, "age", "required"),
    "a key twice": (BODY.replace("{", '{"age": 20, ', 1), 422, "age", "twice"),
    "a key twice, spelled otherwise": (
        BODY.replace("{", '{"\\u0061ge": 20, ', 1),
        422,
        "age",
        "twice",
    ),
}


@pytest.mark.parametrize(("body", "status", "field", "said"), REFUSED.values(), ids=REFUSED)
def test_refusals(
    client: httpx.Client, body: str | bytes, status: int, field: str | None, said: str
) -> None:
    """Each kind of bad body has its status and a problem document that names the field."""
    answer = post(client, body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    fields = [finding["field"] for finding in problem["errors"]]
    assert field is None or field in fields
    assert said in answer.text


def test_names_the_row(client: httpx.Client) -> None:
    """In a list, every bad value is named with its row."""
    body = f"[{BODY}, {BODY.replace('31', '3')}, {BODY}, {BODY.replace('6.8', '99')}]"
    errors = post(client, body).json()["errors"]
    assert [(error["row"], error["field"]) for error in errors] == [(1, "age"), (3, "sleep_hours")]
    doubled = BODY.replace("{", '{"age": 20, ', 1)
    twice = post(client, f"[{BODY}, {doubled}]").json()["errors"]
    assert [(error["row"], error["field"]) for error in twice] == [(1, "age")]


@pytest.mark.parametrize(
    "given", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""]
)
def test_content_type(client: httpx.Client, given: str) -> None:
    """A body that does not say it is JSON is not read as JSON."""
    assert client.post("/predict", content=BODY, headers={"Content-Type": given}).status_code == 415


@pytest.mark.parametrize(
    "given", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/problem+json"]
)
def test_content_type_of_a_kind(client: httpx.Client, given: str) -> None:
    """JSON under its other names is read."""
    assert client.post("/predict", content=BODY, headers={"Content-Type": given}).status_code == 200


def test_fast_path_and_framework_answer_alike(client: httpx.Client) -> None:
    """Requests with a query go through FastAPI; status, headers and body are the same without one."""
    bodies = [BODY, f"[{BODY}]", *(body for body, *_ in REFUSED.values())]
    for body in bodies:
        short, long = (
            client.post(path, content=body, headers=JSON)
            for path in ("/predict", "/predict?explain=false")
        )
        assert (short.status_code, short.content) == (long.status_code, long.content)
        differing = {"date", "x-request-id"}
        assert {k: v for k, v in short.headers.items() if k not in differing} == {
            k: v for k, v in long.headers.items() if k not in differing
        }


@pytest.fixture(scope="module")
def strict_url(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A predictor with tight limits and a key."""
    limits = {
        "max_body_bytes": "2000",
        "max_rows": "3",
        "body_timeout_seconds": "1",
        "max_csv_bytes": "3000",
        "max_explained_rows": "2",
    }
    folder = tmp_path_factory.mktemp("strict")
    settings = limits | {"api_key": "secret", "cors_origins": "https://a.example"}
    with running(folder, bundle(), ROOT, **settings) as served:
        yield served


@pytest.fixture
def strict(strict_url: str) -> Any:
    with httpx.Client(base_url=strict_url, headers={"X-API-Key": "secret"}, timeout=30) as made:
        yield made


def test_key(strict_url: str) -> None:
    """Predictions ask for the key, in either header; health, metrics and the model's facts do not."""
    for path in (
        "/predict",
        "/predict?explain=true",
        "/predict/csv",
        "/invocations",
        "/v2/models/student-performance/infer",
    ):
        for headers in (
            {},
            {"X-API-Key": "wrong"},
            {"Authorization": "Bearer wrong"},
            {"Authorization": "Basic secret"},
        ):
            refused = httpx.post(strict_url + path, content=BODY, headers=JSON | headers)
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    for headers in ({"X-API-Key": "secret"}, {"Authorization": "Bearer secret"}):
        assert (
            httpx.post(f"{strict_url}/predict", content=BODY, headers=JSON | headers).status_code
            == 200
        )
    for path in ("/healthz", "/readyz", "/metrics", "/model", "/", "/docs"):
        assert httpx.get(strict_url + path).status_code == 200


def test_cors(strict_url: str, url: str) -> None:
    """Pages of the origins in the settings may call, others may not; by default none may."""
    ask = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-api-key",
    }
    allowed = httpx.options(f"{strict_url}/predict", headers=ask | {"Origin": "https://a.example"})
    assert allowed.headers["access-control-allow-origin"] == "https://a.example"
    for origin, place in (("https://b.example", strict_url), ("https://a.example", url)):
        answer = httpx.options(f"{place}/predict", headers=ask | {"Origin": origin})
        assert "access-control-allow-origin" not in answer.headers


def test_too_large(strict: httpx.Client) -> None:
    """A body over the limit is refused, by its announced length or as it comes, and so are too many rows."""
    assert post(strict, f"[{BODY},{' ' * 2000}{BODY}]").status_code == 413
    chunked = strict.post("/predict", content=(chunk for chunk in [b" " * 1000] * 5), headers=JSON)
    assert chunked.status_code == 413
    rows = post(strict, f"[{','.join([BODY] * 4)}]")
    assert (rows.status_code, "at most 3" in rows.text) == (422, True)
    assert strict.post("/predict?explain=true", json=[EXAMPLE] * 3).status_code == 422


def test_too_large_is_answered_before_it_is_sent(strict: httpx.Client) -> None:
    """An announced length over the limit is answered while nothing of the body has come."""
    with _raw(strict) as connection:
        connection.sendall(_head(strict, "Content-Length: 1000000"))
        assert connection.recv(1000).startswith(b"HTTP/1.1 413")


def test_slow_body(strict: httpx.Client) -> None:
    """A body that does not come is given up after body_timeout_seconds, on both ways through the predictor."""
    for path in ("/predict", "/predict?explain=true"):
        with _raw(strict) as connection:
            connection.sendall(_head(strict, "Content-Length: 100", path) + b'{"age"')
            connection.settimeout(20)
            assert connection.recv(1000).startswith(b"HTTP/1.1 408")


def test_client_that_goes_away(strict: httpx.Client) -> None:
    """A client that leaves in the middle of its body does no harm."""
    with _raw(strict) as connection:
        connection.sendall(_head(strict, "Content-Length: 100") + b'{"age"')
    assert post(strict, BODY).status_code == 200


def test_busy(tmp_path: Path) -> None:
    """More requests at once than max_requests are answered 503 at once; probes are answered all the same."""
    with (
        running(tmp_path, bundle(), max_requests="1", body_timeout_seconds="60") as served,
        httpx.Client(base_url=served) as client,
    ):
        with _raw(client) as connection:
            connection.sendall(_head(client, "Content-Length: 100"))
            refused = wait_for(
                lambda: next(
                    (answer for answer in [post(client, BODY)] if answer.status_code == 503), None
                )
            )
            assert refused.headers["retry-after"] == "1"
            assert client.get("/model").status_code == 503
            for probe in ("/healthz", "/readyz", "/metrics"):
                assert client.get(probe).status_code == 200
        assert wait_for(lambda: post(client, BODY).status_code == 200)


def _raw(client: httpx.Client) -> socket.socket:
    return socket.create_connection((client.base_url.host, client.base_url.port or 80))


def _head(client: httpx.Client, header: str, path: str = "/predict") -> bytes:
    key = client.headers.get("x-api-key", "")
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: a",
        f"X-API-Key: {key}",
        "Content-Type: application/json",
        header,
        "",
        "",
    ]
    return "\r\n".join(lines).encode()
