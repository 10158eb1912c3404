"""API key, CORS, and the limits on the size, time and number of requests."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.types import Message, Receive, Scope

from serving.http import exchange
from serving.http.exchange import Exchange
from serving.http.rows import EXAMPLE
from tests.support.forest import make_bundle
from tests.support.predictor import INFER, serve_bundle, wait_for

JSON = {"Content-Type": "application/json"}
BODY = (
    '{"age": 31, "course": "stem", "sleep_hours": 6.8, "relationship": "no", "review_hours": 2.1}'
)


def post(client: httpx.Client, body: str | bytes) -> httpx.Response:
    return client.post("/predict", content=body, headers=JSON)


@pytest.fixture(scope="module")
def strict_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A predictor with low limits and an API key."""
    settings = {
        "max_body_bytes": "2000",
        "max_rows": "3",
        "body_timeout_seconds": "1",
        "max_csv_bytes": "3000",
        "max_explained_rows": "2",
        "api_key": "secret",
        "cors_origins": "https://a.example",
    }
    with serve_bundle(tmp_path_factory.mktemp("strict"), make_bundle(), **settings) as url:
        yield url


@pytest.fixture
def strict(strict_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=strict_url, headers={"X-API-Key": "secret"}, timeout=30) as client:
        yield client


def test_api_key(strict_url: str) -> None:
    """Predictions require the key in either header; other routes do not."""
    for path in (
        "/predict",
        "/predict?explain=true",
        "/predict/csv",
        "/invocations",
        INFER,
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
        answer = httpx.post(f"{strict_url}/predict", content=BODY, headers=JSON | headers)
        assert answer.status_code == 200
    for path in ("/healthz", "/readyz", "/metrics", "/", "/docs"):
        assert httpx.get(strict_url + path).status_code == 200
    for path in ("/model", "/columns", "/openapi.json"):
        assert httpx.get(strict_url + path).status_code == 401
        assert httpx.get(strict_url + path, headers=headers).status_code == 200


def test_cors(strict_url: str, url: str) -> None:
    """Pages of the configured origins may call the predictor; by default none may."""
    request = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-api-key",
    }
    allowed = httpx.options(
        f"{strict_url}/predict", headers=request | {"Origin": "https://a.example"}
    )
    assert allowed.headers["access-control-allow-origin"] == "https://a.example"
    for origin, address in (("https://b.example", strict_url), ("https://a.example", url)):
        answer = httpx.options(f"{address}/predict", headers=request | {"Origin": origin})
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "path",
    ["/predict", "/predict/csv", "/invocations", INFER],
)
def test_compressed_body(client: httpx.Client, path: str) -> None:
    """A compressed body gets 415 and a message that names the header."""
    answer = client.post(
        path, content=gzip.compress(BODY.encode()), headers=JSON | {"Content-Encoding": "gzip"}
    )
    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "identity")
    assert "Content-Encoding is gzip" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/", "/docs", "/healthz", "/readyz", "/metrics", "/model"])
def test_head(client: httpx.Client, path: str) -> None:
    """HEAD gets the status and headers of GET, without a body."""
    head, get = client.head(path), client.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == get.headers["content-type"]
    assert client.get("/healthz").json() == {"status": "alive"}  # the connection still works


def test_too_large(strict: httpx.Client) -> None:
    """A body over the limit gets 413, with and without an announced length; extra rows get 422."""
    assert post(strict, f"[{BODY},{' ' * 2000}{BODY}]").status_code == 413
    chunked = strict.post("/predict", content=(chunk for chunk in [b" " * 1000] * 5), headers=JSON)
    assert chunked.status_code == 413
    rows = post(strict, f"[{','.join([BODY] * 4)}]")
    assert (rows.status_code, "at most 3" in rows.text) == (422, True)
    assert strict.post("/predict?explain=true", json=[EXAMPLE] * 3).status_code == 422


def test_too_large_is_refused_before_it_is_sent(strict: httpx.Client) -> None:
    """An announced length over the limit gets 413 before any of the body arrives."""
    with connect(strict) as connection:
        connection.sendall(make_head(strict, "Content-Length: 1000000"))
        assert connection.recv(1000).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("path", ["/predict", "/predict?explain=true"])
def test_slow_body(strict: httpx.Client, path: str) -> None:
    """A body that does not arrive gets 408 after body_timeout_seconds, with and without FastAPI."""
    with connect(strict) as connection:
        connection.sendall(make_head(strict, "Content-Length: 100", path) + b'{"age"')
        connection.settimeout(20)
        assert connection.recv(1000).startswith(b"HTTP/1.1 408")


def test_disconnected_client(strict: httpx.Client) -> None:
    """A client that disconnects within its body does not affect the next request."""
    with connect(strict) as connection:
        connection.sendall(make_head(strict, "Content-Length: 100") + b'{"age"')
    assert post(strict, BODY).status_code == 200


def test_too_many_requests(tmp_path: Path) -> None:
    """More than max_requests concurrent requests get 503; probes are still answered."""
    limits = {"max_requests": "1", "body_timeout_seconds": "60"}
    with (
        serve_bundle(tmp_path, make_bundle(), **limits) as url,
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        with connect(client) as connection:
            connection.sendall(make_head(client, "Content-Length: 100"))
            wait_for(lambda: post(client, BODY).status_code == 503)
            assert post(client, BODY).headers["retry-after"] == "1"
            assert client.get("/model").status_code == 503
            for probe in ("/healthz", "/readyz", "/metrics"):
                assert client.get(probe).status_code == 200
        wait_for(lambda: post(client, BODY).status_code == 200)


def connect(client: httpx.Client) -> socket.socket:
    return socket.create_connection((client.base_url.host, client.base_url.port or 80))


def make_head(client: httpx.Client, header: str, path: str = "/predict") -> bytes:
    """Request line and headers of a POST request."""
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


@pytest.mark.parametrize(
    "path",
    ["/predict", "/predict?log=false", "/invocations", INFER],
)
@pytest.mark.parametrize("announced", [True, False])
def test_a_plain_client_sees_413(url: str, path: str, announced: bool) -> None:
    """A client that sends all of a large body before it reads gets the response, not a reset."""
    address = httpx.URL(url)
    connection = http.client.HTTPConnection(address.host, address.port or 80, timeout=60)
    body = b" " * 10_000_000
    connection.request(
        "POST",
        path,
        body if announced else iter([body]),
        headers=JSON,
        encode_chunked=not announced,
    )
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["status"]) == (413, 413)
    assert answer.headers["connection"] == "close"
    connection.close()


def test_an_unread_body_is_discarded_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the response, so many bytes are read at most, for so long at most."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def respond(receive: Receive) -> None:
        scope: Scope = {"headers": [], "client": None}
        made = Exchange(scope, receive, send, lambda _: b"id", lambda _: False)
        made.is_body_unread = True
        await made.respond(413, [], b"too large")

    received = 0

    async def receive() -> Message:
        nonlocal received
        received += 1 << 20
        return {"type": "http.request", "body": bytes(1 << 20), "more_body": True}

    async def wait() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    asyncio.run(respond(receive))
    assert received == exchange.LINGER_BYTES
    monkeypatch.setattr(exchange, "LINGER_SECONDS", 0.01)
    asyncio.run(respond(wait))
    assert [message.get("more_body", False) for message in sent] == [False, True, False] * 2
