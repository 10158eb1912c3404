"""Lists for `POST /predict/csv`, and clients that send them."""

from __future__ import annotations

import contextlib
import csv
import io
import socket
from collections.abc import Iterator

import httpx

from pipeline.columns import FEATURE_NAMES

HEADERS = {"Content-Type": "text/csv"}
HEADER = ",".join(FEATURE_NAMES)
ROW = "31,stem,6.8,no,2.1"
LIST = f"{HEADER}\n{ROW}\n"
CHUNKED = (
    "POST /predict/csv HTTP/1.1\r\nHost: a\r\nContent-Type: text/csv\r\n"
    "Transfer-Encoding: chunked\r\n\r\n"
)
LAST_CHUNK = b"0\r\n\r\n"


def post(client: httpx.Client, text: str | bytes) -> httpx.Response:
    return client.post("/predict/csv", content=text, headers=HEADERS)


def parse(text: str, delimiter: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))


def make_chunk(text: str) -> bytes:
    return f"{len(text):x}\r\n{text}\r\n".encode()


@contextlib.contextmanager
def connect(client: httpx.Client) -> Iterator[socket.socket]:
    """Open a connection to the client's predictor."""
    address = (client.base_url.host, client.base_url.port or 80)
    with socket.create_connection(address, timeout=120) as connection:
        yield connection


@contextlib.contextmanager
def start_list(client: httpx.Client) -> Iterator[tuple[socket.socket, bytes]]:
    """Send one row of a list; yields the connection and what was received with its prediction."""
    with connect(client) as connection:
        connection.sendall(CHUNKED.encode() + make_chunk(LIST))
        received = b""
        while b"pass" not in received:
            received += connection.recv(10_000)
        yield connection, received
