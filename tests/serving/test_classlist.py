"""`POST /predict/csv`: a list comes back whole, in order, row by row, however it arrives and whatever is wrong in it."""

from __future__ import annotations

import contextlib
import csv
import io
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pipeline.columns import FEATURE_NAMES, RAW_HEADER
from pipeline.data.synthetic import generate_csv
from serving.csv_scoring import Table
from serving.http.problems import Invalid
from serving.model.served_model import Model, load
from tests.serving.forest import bundle
from tests.serving.predictor import ROOT, running, wait_for

HEADERS = {"Content-Type": "text/csv"}
HEADER = ",".join(FEATURE_NAMES)
ROW = "31,stem,6.8,no,2.1"


@pytest.fixture(scope="module")
def model() -> Model:
    return load(bundle(), "test", None, 1e-5, 100)


def post(client: httpx.Client, text: str | bytes) -> httpx.Response:
    return client.post("/predict/csv", content=text, headers=HEADERS)


def rows_of(text: str, delimiter: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))


def test_same_answers_as_json(client: httpx.Client) -> None:
    """The survey's own file comes back with its cells as they were, and with the probabilities that JSON gets."""
    sent = generate_csv(500, 1).decode()
    came = rows_of(post(client, sent).text)
    assert list(came[0]) == [*RAW_HEADER, "label", "fail_probability", "error"]
    original = rows_of(sent)
    assert [{name: row[name] for name in RAW_HEADER} for row in came] == original
    students = [
        dict(zip(FEATURE_NAMES, map(float, list(row.values())[:5]), strict=True))
        for row in original
    ]
    predictions = client.post("/predict", json=students).json()["predictions"]
    assert [row["label"] for row in came] == [item["label"] for item in predictions]
    expected = [item["fail_probability"] for item in predictions]
    assert [float(row["fail_probability"]) for row in came] == pytest.approx(expected, abs=1e-7)


def test_other_columns_and_order(client: httpx.Client) -> None:
    """Columns are found by name, in any order and among others, which come back untouched."""
    text = 'name,review_hours,relationship,sleep_hours,course,age,note\n"Ada, B.",2.1,No,6.8,STEM,31,"two\nlines ""q"""\n'
    (row,) = rows_of(post(client, text).text)
    assert (row["name"], row["note"], row["error"]) == ("Ada, B.", 'two\nlines "q"', "")
    assert (
        row["fail_probability"]
        == rows_of(post(client, f"{HEADER}\n{ROW}").text)[0]["fail_probability"]
    )


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("x,stem,6.8,no,2.1", "age must be a whole number from 15 to 100, not 'x'"),
        (",stem,6.8,no,2.1", "age must be"),
        ("31,art,6.8,no,2.1", "course must be one of 0 (non_stem), 1 (stem), not 'art'"),
        ("31,stem,nan,no,2.1", "sleep_hours must be"),
        ("31,stem,1e999,no,2.1", "sleep_hours must be"),
        ("31.5,stem,6.8,no,2.1", "age must be a whole number"),
        ("3_1,stem,6.8,no,2.1", "age must be"),
        ("31,stem,6.8,no", "the row has 4 cells, the header 5"),
        ("31,stem,6.8,no,2.1,9", "the row has 6 cells, the header 5"),
        ("3,art,6.8,no,2.1", "; "),
    ],
)
def test_bad_rows(client: httpx.Client, row: str, said: str) -> None:
    """A row that cannot be read says why; its neighbours are predicted."""
    before, bad, after = rows_of(post(client, f"{HEADER}\n{ROW}\n{row}\n{ROW}\n").text)
    assert before == after
    assert before["label"]
    assert (bad["label"], bad["fail_probability"]) == ("", "")
    assert said in bad["error"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("age,course\n1,2\n", "sleep_hours"),
        (f"{HEADER},Age\n{ROW},3\n", "More than one column"),
        (b"\xff\xfe" + HEADER.encode("utf-16-le"), "not UTF-8"),
        ("<!doctype html><html>", "age"),
        ('"' + "x" * 200_000, "every quote is closed"),
    ],
)
def test_lists_that_cannot_be_read(client: httpx.Client, text: str | bytes, said: str) -> None:
    """A list without a readable header is a problem, answered before anything else."""
    answer = post(client, text)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert said in answer.text


def test_spreadsheets_habits(client: httpx.Client) -> None:
    """A byte order mark, CRLF, semicolons with decimal commas, and tabs are taken as they come."""
    expected = rows_of(post(client, f"{HEADER}\n{ROW}\n").text)[0]["fail_probability"]
    semicolons = post(
        client, f"\ufeff{HEADER}\r\n{ROW}\r\n".replace(",", ";").replace("6.8", "6,8")
    )
    assert rows_of(semicolons.text, ";")[0]["fail_probability"] == expected
    tabs = post(client, f"{HEADER}\n{ROW}\n".replace(",", "\t"))
    assert rows_of(tabs.text, "\t")[0]["fail_probability"] == expected


def test_pieces_of_any_size(model: Model) -> None:
    """The list may be cut anywhere, within a character or a quoted cell: what comes out is the same."""
    rows = [f'"Zoë\n""{index}""",{ROW}' for index in range(50)]
    data = ("name," + HEADER + "\r\n" + "\r\n".join(rows)).encode()
    whole = Table(model).feed(data, last=True)
    assert whole.count(b",pass,") + whole.count(b",fail,") == 50
    chance = random.Random(3)
    for longest in (1, 2, 7, 100, 5000):
        table, out, rest = Table(model), b"", data
        while rest:
            size = chance.randint(1, longest)
            out += table.feed(rest[:size])
            rest = rest[size:]
        assert out + table.feed(b"", last=True) == whole


def test_a_quote_that_is_never_closed(model: Model) -> None:
    """It ends the list when it has swallowed too much, not the memory."""
    table = Table(model)
    table.feed(f"{HEADER}\n".encode())
    with pytest.raises(Invalid, match="every quote is closed"):
        for _ in range(100):
            table.feed(b'"' + f"{ROW}\n".encode() * 1000 if _ == 0 else f"{ROW}\n".encode() * 1000)


def test_answers_while_it_arrives(client: httpx.Client) -> None:
    """Predictions are sent before the list has ended; and a client that reads nothing until it has sent all gets all."""
    with begun(client) as (connection, first):
        came = first
        big = f"{ROW}\n" * 3_000
        for _ in range(100):
            connection.sendall(_chunk(big))
        connection.sendall(b"0\r\n\r\n")
        while not came.endswith(b"0\r\n\r\n"):
            came += connection.recv(1 << 20)
    assert came.count(b",pass,") == 300_001


@contextlib.contextmanager
def begun(client: httpx.Client) -> Iterator[tuple[socket.socket, bytes]]:
    """A list of which one row was sent, and its prediction received."""
    with socket.create_connection(
        (client.base_url.host, client.base_url.port or 80), timeout=120
    ) as connection:
        head = "POST /predict/csv HTTP/1.1\r\nHost: a\r\nContent-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode() + _chunk(f"{HEADER}\n{ROW}\n"))
        came = b""
        while b"pass" not in came:
            came += connection.recv(10_000)
        yield connection, came


def _chunk(text: str) -> bytes:
    return f"{len(text):x}\r\n{text}\r\n".encode()


def test_too_long(tmp_path: Path) -> None:
    """A list over max_csv_bytes is refused by its announced length, and broken off where none is announced."""
    with (
        running(tmp_path, bundle(), max_csv_bytes="100000") as url,
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        text = f"{HEADER}\n" + f"{ROW}\n" * 20_000
        assert post(client, text).status_code == 413

        with begun(client) as (connection, first):
            came = first
            # a server that hangs up on unread bytes resets the connection: broken off, too
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                connection.sendall(_chunk(text))
                while piece := connection.recv(1 << 16):
                    came += piece
        assert not came.endswith(b"0\r\n\r\n")
        assert post(client, f"{HEADER}\n{ROW}\n").status_code == 200


def test_too_many_lists(tmp_path: Path) -> None:
    """More lists at once than max_csv_requests are answered 503; one that ends, or whose client leaves, makes room."""
    with (
        running(tmp_path, bundle(), max_csv_requests="1") as url,
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        with begun(client):
            assert post(client, f"{HEADER}\n{ROW}\n").status_code == 503
        for _ in range(3):
            wait_for(lambda: post(client, f"{HEADER}\n{ROW}\n").status_code == 200)


def test_lists_that_stand_still(tmp_path: Path) -> None:
    """A list that stops coming, and an answer that nobody reads, are broken off after body_timeout_seconds: they keep none out."""
    patience = {"max_csv_requests": "1", "body_timeout_seconds": "1"}
    with (
        running(tmp_path, bundle(), ROOT, **patience) as url,
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        place = (client.base_url.host, client.base_url.port or 80)
        with socket.create_connection(place, timeout=120) as connection:
            connection.sendall(
                b"POST /predict/csv HTTP/1.1\r\nHost: a\r\nContent-Type: text/csv\r\nContent-Length: 99\r\n\r\n"
            )
            assert connection.recv(1000).startswith(b"HTTP/1.1 408")
        with begun(client) as (connection, _):
            wait_for(lambda: post(client, f"{HEADER}\n{ROW}\n").status_code == 200)
            while piece := connection.recv(1000):
                assert not piece.endswith(b"0\r\n\r\n")
        with begun(client) as (connection, _):
            for _ in range(100):
                connection.sendall(_chunk(f"{ROW}\n" * 3_000))
            connection.sendall(b"0\r\n\r\n")
            wait_for(lambda: post(client, f"{HEADER}\n{ROW}\n").status_code == 200)
