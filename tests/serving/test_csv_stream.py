"""How `POST /predict/csv` streams: slow, stalled and many clients, and lists over the limits."""

from __future__ import annotations

import contextlib
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from pipeline.model.bundle import write_fallback
from serving.csv_stream import Patience, Spool
from tests.support.csv_lists import (
    HEADER,
    LAST_CHUNK,
    LIST,
    ROW,
    connect,
    make_chunk,
    parse,
    post,
    start_list,
)
from tests.support.forest import make_bundle
from tests.support.predictor import (
    open_disk_lake,
    run_predictor,
    serve_bundle,
    wait_for,
    wait_until_ready,
)

WIDE_ROWS = make_chunk(("x" * 10_000 + "\n") * 100)
"""1 MB of invalid rows, which take little time."""
CHUNK_BORDER = re.compile(rb"\r\n[0-9a-f]+\r\n")
"""What the chunked transfer coding puts between two chunks, in the middle of a row too."""


def test_predictions_are_sent_while_the_list_arrives(client: httpx.Client) -> None:
    """The first prediction arrives early; a client that reads only at the end gets everything."""
    with start_list(client) as (connection, first):
        received = first
        rows = make_chunk(f"{ROW}\n" * 3_000)
        for _ in range(50):
            connection.sendall(rows)
        connection.sendall(LAST_CHUNK)
        while not received.endswith(LAST_CHUNK):
            received += connection.recv(1 << 20)
    body = CHUNK_BORDER.sub(b"", received)
    assert body.count(b",pass,") == 150_001


def test_too_long(tmp_path: Path) -> None:
    """A list over max_csv_bytes gets 413 if it announces its length, or is aborted."""
    with (
        serve_bundle(tmp_path, make_bundle(), max_csv_bytes="100000") as url,
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        text = f"{HEADER}\n" + f"{ROW}\n" * 20_000
        assert post(client, text).status_code == 413

        received = b""
        with (
            start_list(client) as (connection, _),
            # A server that closes a connection with unread bytes resets it.
            contextlib.suppress(ConnectionResetError, BrokenPipeError),
        ):
            connection.sendall(make_chunk(text))
            while piece := connection.recv(1 << 16):
                received += piece
        assert not received.endswith(LAST_CHUNK)
        assert post(client, LIST).status_code == 200


def test_reason_of_an_aborted_list(tmp_path: Path) -> None:
    """The log says why a list was aborted."""
    write_fallback(open_disk_lake(tmp_path), make_bundle())
    with run_predictor(tmp_path, max_csv_bytes="100000") as predictor:
        wait_until_ready(predictor)
        with httpx.Client(base_url=predictor.url, timeout=30) as client:
            with start_list(client):
                pass
            wait_for(lambda: "aborted a list: the client disconnected" in predictor.read_log())
            with start_list(client) as (connection, _):
                with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                    connection.sendall(make_chunk(f"{ROW}\n" * 20_000))
                wait_for(lambda: "aborted a list: The body is larger" in predictor.read_log())


def test_too_many_lists(tmp_path: Path) -> None:
    """More than max_csv_requests get 503, until a list ends or its client disconnects."""
    with (
        serve_bundle(
            tmp_path, make_bundle(), max_csv_requests="1", csv_queue_timeout_seconds="0"
        ) as url,
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        with start_list(client):
            assert post(client, LIST).status_code == 503
        for _ in range(3):
            wait_for(lambda: post(client, LIST).status_code == 200)


def test_lists_queue(tmp_path: Path) -> None:
    """Lists wait for a running one instead of getting 503."""
    lists = [f"{HEADER}\n" + f"{ROW}\n" * rows for rows in (2, 10, 20, 30, 40, 50, 60, 60)]
    with (
        serve_bundle(
            tmp_path, make_bundle(), max_csv_requests="1", csv_queue_timeout_seconds="60"
        ) as url,
        httpx.Client(base_url=url, timeout=60) as client,
        ThreadPoolExecutor(len(lists)) as pool,
    ):
        with start_list(client) as (connection, _):
            answers = [pool.submit(post, client, text) for text in lists * 3]
            wait_for(lambda: get_in_flight(client) > len(lists))
            connection.sendall(LAST_CHUNK)
        for text, answer in zip(lists * 3, answers, strict=True):
            assert answer.result().status_code == 200
            assert len(parse(answer.result().text)) == text.count(ROW)


def get_in_flight(client: httpx.Client) -> float:
    lines = client.get("/metrics").text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("predictor_in_flight"))


def test_slow_lists(tmp_path: Path) -> None:
    """A client that sends less than the minimum rate gets 408, although it never pauses long."""
    settings = {"body_timeout_seconds": "2", "min_csv_bytes_per_second": "1000"}
    with (
        serve_bundle(tmp_path, make_bundle(), **settings) as url,
        httpx.Client(base_url=url, timeout=30) as client,
        connect(client) as connection,
    ):
        connection.sendall(
            b"POST /predict/csv HTTP/1.1\r\nHost: a\r\nContent-Type: text/csv\r\n"
            b"Content-Length: 9999\r\n\r\n"
        )
        connection.settimeout(0.1)  # the client's pace
        received = b""
        for _ in range(300):
            with contextlib.suppress(TimeoutError):
                received = connection.recv(10_000)
                break
            connection.sendall(b"a")
    assert received.startswith(b"HTTP/1.1 408")
    assert b"at least 1000 bytes per second" in received


def test_patience() -> None:
    """A client that keeps the rate is waited for; pauses may add up to no more than the maximum."""
    patience = Patience(max_seconds=30, bytes_per_second=1000)
    for _ in range(1000):
        patience.update(received=10_000, waited_seconds=10)
        assert patience.seconds == 30
    patience.update(received=1, waited_seconds=29)
    assert 1 < patience.seconds < 1.01


def test_spool() -> None:
    """The file is full from its limit on until everything was read, and then used again."""
    spool = Spool(limit=100)
    for _ in range(3):
        spool.write(b"a" * 99)
        assert spool.has_room.is_set()
        spool.write(b"b")
        assert not spool.has_room.is_set()
        assert spool.read() == b"a" * 99 + b"b"
        assert not spool.has_room.is_set()
        assert spool.read() == b""
        assert spool.has_room.is_set()
    assert spool._file.tell() == 0
    spool.close()


def test_slow_reader(tmp_path: Path) -> None:
    """A full spool stops the reading of the list; a client that then reads gets everything."""
    with (
        serve_bundle(tmp_path, make_bundle(), max_csv_spool_bytes="100000") as url,
        httpx.Client(base_url=url, timeout=30) as client,
        ThreadPoolExecutor(1) as pool,
        start_list(client) as (connection, received),
    ):
        sending = pool.submit(connection.sendall, WIDE_ROWS * 30 + LAST_CHUNK)
        answer = bytearray(received)
        while not answer.endswith(LAST_CHUNK):
            answer += connection.recv(1 << 20)
        sending.result()
    assert answer.count(b"the row has 1 cells") == 3_000


def test_client_that_does_not_read(tmp_path: Path) -> None:
    """A client that reads nothing while the spool is full is disconnected, and the log says why."""
    write_fallback(open_disk_lake(tmp_path), make_bundle())
    settings = {"max_csv_spool_bytes": "100000", "body_timeout_seconds": "1"}
    with run_predictor(tmp_path, **settings) as predictor:
        wait_until_ready(predictor)
        with (
            httpx.Client(base_url=predictor.url, timeout=30) as client,
            start_list(client) as (connection, _),
            contextlib.suppress(ConnectionResetError, BrokenPipeError),
        ):
            while True:
                connection.sendall(WIDE_ROWS)
        expected = "aborted a list: the client does not read the response"
        wait_for(lambda: expected in predictor.read_log())


def test_stalled_lists(tmp_path: Path) -> None:
    """A list that stops, or whose response nobody reads, is aborted and makes room for others."""
    settings = {"max_csv_requests": "1", "body_timeout_seconds": "1"}
    with (
        serve_bundle(tmp_path, make_bundle(), **settings) as url,
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        with connect(client) as connection:
            connection.sendall(
                b"POST /predict/csv HTTP/1.1\r\nHost: a\r\nContent-Type: text/csv\r\n"
                b"Content-Length: 99\r\n\r\n"
            )
            assert connection.recv(1000).startswith(b"HTTP/1.1 408")
        with start_list(client) as (connection, _):
            wait_for(lambda: post(client, LIST).status_code == 200)
            while piece := connection.recv(1000):
                assert not piece.endswith(LAST_CHUNK)
        with start_list(client) as (connection, _):
            connection.sendall(WIDE_ROWS * 20 + LAST_CHUNK)
            wait_for(lambda: post(client, LIST).status_code == 200)
