"""Attacks on the predictor: each ends in a stated refusal, and in a line of the log."""

from __future__ import annotations

import csv
import io
import logging
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from serving.http.protocol import MAX_HEADER_BYTES
from serving.http.rows import EXAMPLE
from serving.refusals import RefusalLog, describe_request
from tests.support.predictor import (
    Predictor,
    run_predictor,
    wait_for,
    wait_until_ready,
)

KEY = "k" * 40
AUTHORIZED = {"Authorization": f"Bearer {KEY}"}
LIMITS = {
    "api_key": KEY,
    "session_secret": "s" * 40,
    "max_body_bytes": "1000",
    "body_timeout_seconds": "0.5",
    "header_timeout_seconds": "0.5",
}


@pytest.fixture(scope="module")
def predictor(folder: Path) -> Iterator[Predictor]:
    """A predictor that needs a key, with small limits."""
    with run_predictor(folder, **LIMITS) as running:
        wait_until_ready(running)
        yield running


def send(predictor: Predictor, data: bytes) -> bytes:
    """Send bytes on a separate connection, and return the start of the response."""
    with socket.create_connection(("127.0.0.1", predictor.port), timeout=30) as connection:
        try:
            connection.sendall(data)
            return connection.recv(1000)
        except (BrokenPipeError, ConnectionResetError):
            return b""


def post(predictor: Predictor, headers: dict[str, str], content: str = "") -> httpx.Response:
    json = {} if content else {"json": EXAMPLE}
    kept = headers | {"Content-Type": "application/json"}
    return httpx.post(f"{predictor.url}/predict", headers=kept, content=content or None, **json)  # type: ignore[arg-type]


def log_in(predictor: Predictor) -> dict[str, str]:
    """Return the headers with which the page sends a session's cookie."""
    own = {"Sec-Fetch-Site": "same-origin", "Origin": predictor.url}
    response = httpx.post(f"{predictor.url}/session", json={"key": KEY}, headers=own)
    return own | {"Cookie": response.headers["set-cookie"].partition(";")[0]}


def predict_without_a_key(predictor: Predictor) -> int:
    return post(predictor, {}).status_code


def replay_a_session_after_its_logout(predictor: Predictor) -> int:
    session = log_in(predictor)
    assert post(predictor, session).status_code == 200
    httpx.delete(f"{predictor.url}/session", headers=session)
    return post(predictor, session).status_code


def use_the_session_on_another_site(predictor: Predictor) -> int:
    foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.test"}
    return post(predictor, log_in(predictor) | foreign).status_code


def leave_the_reports(predictor: Predictor) -> int:
    path = "/reports/%2e%2e%2f%2e%2e%2fmodels/manifest.json"
    return httpx.get(f"{predictor.url}{path}").status_code


def send_a_large_body(predictor: Predictor) -> int:
    return post(predictor, AUTHORIZED, "[" + " " * 2000 + "]").status_code


def send_a_body_without_an_end(predictor: Predictor) -> int:
    head = f"POST /predict HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEY}\r\n"
    body = "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n["
    response = send(predictor, (head + body).encode())
    return int(response.split()[1])


@pytest.mark.parametrize(
    ("attack", "status"),
    [
        (predict_without_a_key, 401),
        (replay_a_session_after_its_logout, 401),
        (use_the_session_on_another_site, 403),
        (leave_the_reports, 404),
        (send_a_body_without_an_end, 408),
        (send_a_large_body, 413),
    ],
)
def test_a_request_is_refused(
    predictor: Predictor, attack: Callable[[Predictor], int], status: int
) -> None:
    """The line has the status, the path, the client and the request's id."""
    assert attack(predictor) == status
    line = rf"refused with {status}: (GET|POST) '/\S+' from 127\.0\.0\.1, request '\S+'"
    wait_for(lambda: re.search(line, predictor.read_log()))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost", "too slow request headers"),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * (MAX_HEADER_BYTES + 1), "too large request headers"),
        (b"\x16\x03\x01 no HTTP\r\n\r\n", "invalid HTTP"),
    ],
)
def test_a_connection_is_refused(predictor: Predictor, data: bytes, reason: str) -> None:
    """It is closed, after 400 if it is no HTTP."""
    response = send(predictor, data)
    assert response.startswith(b"HTTP/1.1 400") if reason == "invalid HTTP" else response == b""
    wait_for(lambda: f"refused {reason}: from 127.0.0.1" in predictor.read_log())


def test_what_the_predictor_adds_to_a_list_is_no_formula(predictor: Predictor) -> None:
    """An error quotes a cell after the name of its column. The page's download escapes cells."""
    cells = dict.fromkeys(EXAMPLE, '=HYPERLINK("http://evil.test")')
    table = io.StringIO()
    writer = csv.DictWriter(table, list(cells))
    writer.writeheader()
    writer.writerow(cells)
    headers = AUTHORIZED | {"Content-Type": "text/csv"}
    response = httpx.post(f"{predictor.url}/predict/csv", content=table.getvalue(), headers=headers)
    (row,) = csv.DictReader(io.StringIO(response.text))
    added = [value for name, value in row.items() if name not in cells]
    assert "HYPERLINK" in row["error"]
    assert not [value for value in added if value.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_refusals_cannot_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Each kind has one line per interval, with the number of those in between."""
    now = [0.0]
    refusals = RefusalLog(10, lambda: now[0])
    with caplog.at_level(logging.WARNING, "serving.refusals"):
        for _ in range(1000):
            refusals.record("with 401", lambda: "first")
        refusals.record("with 413", lambda: "other")
        now[0] = 10.0
        refusals.record("with 401", lambda: "later")
    assert caplog.messages == [
        "refused with 401: first",
        "refused with 413: other",
        "refused with 401: later; 999 more of these since the last such line",
    ]


def test_a_path_cannot_forge_a_line() -> None:
    """Line breaks and terminal codes are escaped, and a long path is cut."""
    line = describe_request("GET", "/a\nrefused with 200\x1b[2J" + "b" * 1000, None, b"1\n2")
    assert line.isprintable()
    assert len(line) < 200
