"""`POST /predict/csv`: every row is returned in order."""

from __future__ import annotations

import random
from dataclasses import replace

import httpx
import pytest

from pipeline.columns import FEATURE_NAMES, FEATURES, RAW_HEADER
from pipeline.data.synthetic import generate_csv
from serving.csv_scoring import ADDED_COLUMNS, Table
from serving.http.csv_text import Column, index_names
from serving.http.problems import Invalid
from serving.model.served_model import Model, load
from tests.support.csv_lists import HEADER, LIST, ROW, parse, post
from tests.support.forest import make_bundle

AGE = FEATURES[0]


@pytest.fixture(scope="module")
def model() -> Model:
    return load(make_bundle(), "test", None, tolerance=1e-5, cache_size=100)


def test_same_predictions_as_json(client: httpx.Client) -> None:
    """A raw file is returned unchanged, with the labels and probabilities that JSON gets."""
    sent = generate_csv(500, 1).decode()
    returned = parse(post(client, sent).text)
    assert list(returned[0]) == [*RAW_HEADER, *ADDED_COLUMNS]
    original = parse(sent)
    assert [{name: row[name] for name in RAW_HEADER} for row in returned] == original
    students = [
        dict(zip(FEATURE_NAMES, map(float, list(row.values())[:5]), strict=True))
        for row in original
    ]
    predictions = client.post("/predict", json=students).json()["predictions"]
    assert [row["label"] for row in returned] == [item["label"] for item in predictions]
    expected = [item["probability"] for item in predictions]
    assert [float(row["probability"]) for row in returned] == pytest.approx(expected, abs=1e-7)


def test_other_columns_and_order(client: httpx.Client) -> None:
    """Columns are found by name in any order; other columns are returned unchanged."""
    header = "name,review_hours,relationship,sleep_hours,course,age,note"
    text = f'{header}\n"Ada, B.",2.1,No,6.8,STEM,31,"two\nlines ""q"""\n'
    (row,) = parse(post(client, text).text)
    assert (row["name"], row["note"], row["error"]) == ("Ada, B.", 'two\nlines "q"', "")
    assert row["probability"] == parse(post(client, LIST).text)[0]["probability"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("x,stem,6.8,no,2.1", "age must be a whole number from 15 to 100, not 'x'"),
        (",stem,6.8,no,2.1", "age is missing"),
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
def test_invalid_rows(client: httpx.Client, row: str, message: str) -> None:
    """An invalid row gets an error; the rows around it get predictions."""
    before, bad, after = parse(post(client, f"{LIST}{row}\n{ROW}\n").text)
    assert before == after
    assert before["label"]
    assert (bad["label"], bad["probability"]) == ("", "")
    assert message in bad["error"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("age,course\n1,2\n", "sleep_hours"),
        (f"{HEADER},Age\n{ROW},3\n", "More than one column"),
        (b"\xff\xfe" + HEADER.encode("utf-16-le"), "not UTF-8"),
        ("<!doctype html><html>", "age"),
        ('"' + "x" * 200_000, "longer than 50000 characters"),
    ],
)
def test_unreadable_lists(client: httpx.Client, text: str | bytes, message: str) -> None:
    """A list without a readable header gets a problem document instead of a list."""
    answer = post(client, text)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert message in answer.text


def test_variants_of_spreadsheets(client: httpx.Client) -> None:
    """A byte order mark, CRLF, semicolons with decimal commas, and tabs are accepted."""
    expected = parse(post(client, LIST).text)[0]["probability"]
    semicolons = f"\ufeff{HEADER}\r\n{ROW}\r\n".replace(",", ";").replace("6.8", "6,8")
    assert parse(post(client, semicolons).text, ";")[0]["probability"] == expected
    tabs = LIST.replace(",", "\t")
    assert parse(post(client, tabs).text, "\t")[0]["probability"] == expected


def test_pieces_of_any_size(model: Model) -> None:
    """The result does not depend on where the list is cut, even within characters and quotes."""
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


def test_quote_within_a_cell(model: Model) -> None:
    """A quote that does not open a cell is text, wherever the list is cut."""
    tall = f'Ann 6" tall,{ROW}\n'
    data = ("name," + HEADER + "\n" + (tall + f"Bo,{ROW}\n" * 2000) * 3).encode()
    whole = Table(model).feed(data, last=True)
    table, out = Table(model), b""
    for start in range(0, len(data), 1 << 16):
        out += table.feed(data[start : start + (1 << 16)])
    assert out + table.feed(b"", last=True) == whole
    assert whole.count(b",pass,") + whole.count(b",fail,") == 6003


def test_delimiter_in_quoted_names(model: Model) -> None:
    """The delimiter is the one under which the columns are found."""
    names = ";".join((HEADER.replace(",", ";"), '"a, b, c, d, e, f, g, h"'))
    out = Table(model).feed(f"{names}\n31;stem;6,8;no;2,1;x\n".encode(), last=True)
    (row,) = parse(out.decode(), ";")
    assert row["label"]
    assert row["a, b, c, d, e, f, g, h"] == "x"


def test_columns_that_differ_in_hyphens_only() -> None:
    """Their exact names tell them apart; another spelling of them is unknown."""
    first, second = (replace(AGE, name=name, raw=raw) for name, raw in (("a", "A-B"), ("b", "A B")))
    names = index_names([first, second])
    assert (names["A-B"], names["A B"], names.get("a b")) == ("a", "b", None)


def test_only_short_cells_are_cached() -> None:
    """Long cells are read each time, so that the cache stays small."""
    column = Column(FEATURES[0], ",")
    assert column.value("31") == column.value("31" + " " * 1000) == 31
    assert column._cache == {"31": 31}


def test_error_of_many_cells(client: httpx.Client) -> None:
    """The error describes two invalid cells and names the others."""
    (row,) = parse(post(client, f"{HEADER}\nx,x,x,x,x\n").text)
    assert row["error"].endswith("; also invalid: sleep_hours, relationship, review_hours")


def test_unclosed_quote(model: Model) -> None:
    """A quote that is never closed spoils its own line of a long list, and fills no memory."""
    table = Table(model)
    out = table.feed(f'{HEADER}\n"'.encode())
    for _ in range(100):
        out += table.feed(f"{ROW}\n".encode() * 1000)
        assert len(table._text) < 60_000
    first, *rest = parse((out + table.feed(b"", last=True)).decode())
    assert first["error"] == "a quote is never closed"
    assert len([row for row in rest if row["label"]]) == 99_999
    with pytest.raises(Invalid, match="longer than 50000 characters"):
        table.feed(b"x" * 60_000)


def test_sending_an_answer_again(client: httpx.Client) -> None:
    """Its predictions are replaced; without a probability such columns are the sender's own."""
    first = post(client, f"name,{HEADER}\nAda,{ROW}\nBo,x{ROW}\n").text
    assert post(client, first).text == first
    ranked = first.replace("name,", "rank,name,").replace("Ada", "1,Ada").replace("Bo", ",Bo")
    assert post(client, ranked).text == first
    own = f"label,{HEADER}\nA,{ROW}\n"
    assert post(client, own).text.startswith(f"label,{HEADER},label,")
