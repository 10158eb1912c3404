"""The command `traffic`: how rows are sent to a predictor."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.columns import FEATURE_NAMES, LABEL
from pipeline.commands import traffic
from pipeline.commands.traffic import send
from pipeline.errors import PipelineError
from tests.support.http_server import Request, Response, serve
from tests.support.rows import make_students

ROWS = make_students(5, 1)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeat a request soon, and on a busy machine for long."""
    monkeypatch.setattr(traffic, "RETRY_PERIOD_SECONDS", 60)
    monkeypatch.setattr(traffic, "RETRY_INTERVAL_SECONDS", 0.01)


@pytest.fixture
def short_period(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up soon."""
    monkeypatch.setattr(traffic, "RETRY_PERIOD_SECONDS", 0.1)


def predictions(request: Request) -> Response:
    rows = json.loads(request.body)
    items = [{"label": LABEL.positive, "probability": 0.9}] * len(rows)
    return Response(200, {"predictions": items, "model": {"version": "7"}})


def test_every_row_is_sent_once() -> None:
    """Requests hold up to `rows_per_request` rows, and the counts add up."""
    requests: list[Any] = []

    def handle(request: Request) -> Response:
        assert request.path == "/predict"
        requests.append(json.loads(request.body))
        return predictions(request)

    with serve(handle) as url:
        sent = send(url, ROWS, rows_per_request=2)
    assert [len(rows) for rows in requests] == [2, 2, 1]
    assert [row["age"] for rows in requests for row in rows] == ROWS["age"].tolist()
    assert set(requests[0][0]) == set(FEATURE_NAMES)
    assert (sent.rows, sent.scored, sent.predicted_positive) == (5, 5, 5)
    assert sent.versions == {"7": 5}


def test_the_api_key_is_sent() -> None:
    """A predictor that requires an API key receives it as a bearer token."""

    def handle(request: Request) -> Response:
        if request.headers.get("Authorization") != "Bearer secret":
            return Response(401, {"title": "unauthorized"})
        return predictions(request)

    with serve(handle) as url:
        assert send(url, ROWS, api_key="secret").scored == 5
        refused = send(url, ROWS)
    assert (refused.scored, refused.refused) == (0, 5)
    assert refused.first_error is not None
    assert refused.first_error.startswith("401")


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_predictor_gets_the_request_again(status: int) -> None:
    """A request is repeated while the predictor is busy; no row is lost or counted twice."""
    busy: Iterator[int] = iter([status, status])

    def handle(request: Request) -> Response:
        return Response(code, {}) if (code := next(busy, None)) else predictions(request)

    with serve(handle) as url:
        assert send(url, ROWS).scored == 5


def test_a_predictor_that_stays_busy(short_period: None) -> None:
    """When the period is over, the error names the URL, the reason and the remedy."""
    with serve(lambda _: Response(503, {})) as url:
        message = rf"{url}/predict did not accept .* 0\.1 s \(it returned 503 .*`make serve`"
        with pytest.raises(PipelineError, match=message):
            send(url, ROWS)


def test_no_predictor(short_period: None) -> None:
    """A refused connection ends with the same error."""
    message = r"http://127\.0\.0\.1:9/predict did not accept the rows within .*`make serve`"
    with pytest.raises(PipelineError, match=message):
        send("http://127.0.0.1:9", ROWS)
