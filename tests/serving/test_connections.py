"""Connections whose client sends a request's head slowly, without an end, or never."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from serving.http.protocol import MAX_HEADER_BYTES
from tests.serving.forest import bundle
from tests.serving.predictor import ROOT, running

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: a\r\n"
SECONDS = 1.0


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(
        tmp_path_factory.mktemp("predictor"), bundle(), ROOT, header_timeout_seconds=str(SECONDS)
    ) as address:
        yield address


@pytest.fixture
def connection(url: str) -> Iterator[socket.socket]:
    place = httpx.URL(url)
    with socket.create_connection((place.host, place.port or 80), timeout=60) as opened:
        yield opened


def read_answer(connection: socket.socket) -> None:
    came = b""
    while not came.endswith(b'{"status":"alive"}'):
        piece = connection.recv(1000)
        assert piece, came
        came += piece
    assert came.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "sent", [b"", b"GET", REQUEST], ids=["nothing", "half a line", "headers without an end"]
)
def test_a_head_that_does_not_come(connection: socket.socket, sent: bytes) -> None:
    """The connection is closed once header_timeout_seconds are over."""
    connection.sendall(sent)
    assert connection.recv(100) == b""


def test_a_head_that_trickles(connection: socket.socket) -> None:
    """Bytes now and then do not buy more time: the bound is on the head as a whole."""
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        for _ in range(600):
            connection.sendall(b"G")
            time.sleep(SECONDS / 10)  # the client's own pace: there is no state to wait for


def test_a_head_without_an_end(connection: socket.socket) -> None:
    """More than MAX_HEADER_BYTES of headers are not held in memory."""
    connection.sendall(REQUEST)
    line = b"X-More: " + b"a" * 1000 + b"\r\n"
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        for _ in range(100 * MAX_HEADER_BYTES // len(line)):
            connection.sendall(line)


def test_a_second_head_that_does_not_come(connection: socket.socket) -> None:
    """It is so for every request of a connection, and one that is in time is answered."""
    connection.sendall(REQUEST + b"\r\n")
    read_answer(connection)
    connection.sendall(REQUEST)
    assert connection.recv(1000) == b""


def test_an_idle_connection_stays(connection: socket.socket) -> None:
    """Between requests a kept connection may be idle for longer than a head may take."""
    for _ in range(2):
        connection.sendall(REQUEST[:20])
        connection.sendall(REQUEST[20:] + b"\r\n")
        read_answer(connection)
        time.sleep(1.5 * SECONDS)  # idleness is what is tested
