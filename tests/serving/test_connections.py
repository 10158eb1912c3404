"""Connections whose clients send the request headers slowly, without an end, or never."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from serving.http.protocol import MAX_HEADER_BYTES
from serving.http.rows import EXAMPLE
from tests.support.forest import make_bundle
from tests.support.predictor import serve_bundle

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: a\r\n"
TIMEOUT_SECONDS = 0.5


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("predictor")
    with serve_bundle(folder, make_bundle(), header_timeout_seconds=str(TIMEOUT_SECONDS)) as served:
        yield served


@pytest.fixture
def connection(url: str) -> Iterator[socket.socket]:
    address = httpx.URL(url)
    with socket.create_connection((address.host, address.port or 80), timeout=60) as opened:
        yield opened


def read_response(connection: socket.socket) -> None:
    """Read until the end of the response to REQUEST."""
    received = b""
    while not received.endswith(b'{"status":"alive"}'):
        piece = connection.recv(1000)
        assert piece, received
        received += piece
    assert received.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "sent", [b"", b"GET", REQUEST], ids=["nothing", "half a line", "headers without an end"]
)
def test_incomplete_headers(connection: socket.socket, sent: bytes) -> None:
    """The connection is closed after header_timeout_seconds."""
    connection.sendall(sent)
    assert connection.recv(100) == b""


def test_slow_headers(connection: socket.socket) -> None:
    """The timeout applies to the headers as a whole: each byte does not extend it."""
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        for _ in range(600):
            connection.sendall(b"G")
            time.sleep(TIMEOUT_SECONDS / 10)  # the client's own pace: there is no state to wait for


def test_too_large_headers(connection: socket.socket) -> None:
    """The connection is closed after MAX_HEADER_BYTES."""
    connection.sendall(REQUEST)
    line = b"X-More: " + b"a" * 1000 + b"\r\n"
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        for _ in range(100 * MAX_HEADER_BYTES // len(line)):
            connection.sendall(line)


def test_incomplete_headers_of_a_second_request(connection: socket.socket) -> None:
    """The timeout applies to every request of a connection."""
    connection.sendall(REQUEST + b"\r\n")
    read_response(connection)
    connection.sendall(REQUEST)
    assert connection.recv(1000) == b""


def test_idle_connection(connection: socket.socket) -> None:
    """Between two requests a connection may be idle for longer than the timeout."""
    for _ in range(2):
        connection.sendall(REQUEST[:20])
        connection.sendall(REQUEST[20:] + b"\r\n")
        read_response(connection)
        time.sleep(1.5 * TIMEOUT_SECONDS)  # idleness is what is tested


BODY = json.dumps(EXAMPLE).encode()
UPGRADE = (
    b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    b"Connection: Upgrade, HTTP2-Settings, keep-alive\r\nUpgrade: h2c\r\n"
    b"HTTP2-Settings: AAEAAEAAAAIAAAAB\r\n"
)
CONTENT_LENGTH = b"Content-Length: %d\r\n\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)


@pytest.mark.parametrize(
    "pieces",
    [
        (UPGRADE + CONTENT_LENGTH + BODY,),
        (UPGRADE + CONTENT_LENGTH, BODY),
        (UPGRADE + CONTENT_LENGTH + BODY[:10], BODY[10:]),
        (UPGRADE[:50], UPGRADE[50:] + CONTENT_LENGTH, BODY),
        (UPGRADE + CHUNKED,),
    ],
    ids=["one piece", "headers first", "half a body", "half a head", "chunked"],
)
def test_upgrade_to_http2(connection: socket.socket, pieces: tuple[bytes, ...]) -> None:
    """A request with `Upgrade: h2c` is answered by HTTP/1.1, and so are later ones."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for _ in range(2):
        for piece in pieces:
            connection.sendall(piece)
        received = b""
        while b'"run_id"' not in received:
            received += connection.recv(10_000)
        assert received.startswith(b"HTTP/1.1 200"), received
    connection.sendall(REQUEST + b"\r\n")
    read_response(connection)


def test_upgrade_without_a_body(connection: socket.socket) -> None:
    """A GET request with an upgrade is answered; CONNECT is refused."""
    connection.sendall(REQUEST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    read_response(connection)
    connection.sendall(b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert connection.recv(1000).startswith(b"HTTP/1.1 400")
