"""A table with persons, terms and tutors: what the lake stores of it, and how it is split."""

from __future__ import annotations

import csv
import io
import json
import random
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.support.own_table import run_program, run_stages

COLUMNS = """
subject: visitor
subjects: visitors
features:
  - kind: number
    name: visits
    raw: Visits
    low: 0
    high: 100
    typical: [0, 30]
    step: 1
    unit: ""
    description: Number of visits
    example: 10
label:
  name: lost
  raw: Result
  positive_raw: [lost, left]
  negative_raw: kept
  positive: lost
  negative: kept
  rate: 0.3
  description: Whether the visitor was lost
key: {name: person, raw: Card}
time: {name: term, raw: Term}
groups:
  - {name: tutor, raw: Tutor}
ignore: [Surname]
"""
HEADER = ["Card", "Term", "Tutor", "Surname", "Note", "Visits", "Result"]
PERSONS = 120
BROKEN = [
    ["", "2024-1", "A", "", "", "3", "kept"],
    ["CARD-x1", "someday", "A", "", "", "3", "kept"],
    ["CARD-x2", "2024-1", "A", "", "", "3", "moved"],
    ["CARD-x3", "2024-1", "A", "a comma, unquoted", "", "", "3", "kept"],
]
"""Rows without a key, a known term or an outcome, and with too many values."""


def write_table(path: Path) -> None:
    """Write visitors with rows in two of three terms each, and the broken rows."""
    generator = random.Random(1)
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(HEADER)
    for person in range(PERSONS):
        for term in generator.sample(["2024-1", "2024-2", "2024-10"], 2):
            names = [f"CARD-{person:04}", term, generator.choice("AB"), f"Surname-{person:04}"]
            result = generator.choice(["kept", "kept", "lost", "left"])
            writer.writerow([*names, f"NOTE-{person:04}", generator.randint(0, 30), result])
    writer.writerows(BROKEN)
    path.write_text(file.getvalue())


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder with a lake in which the table was split, and the output of the stages."""
    folder = tmp_path_factory.mktemp("visitors")
    (folder / "visitors.columns.yaml").write_text(COLUMNS)
    write_table(folder / "visitors.csv")
    return folder, run_stages(folder, "visitors", "ingest", "preprocess", "features")


def read_json(folder: Path, key: str) -> Any:
    return json.loads((folder / "lake" / key).read_text())


def test_no_key_is_stored(split: tuple[Path, str]) -> None:
    """No file of the lake and no output has a key, an ignored value or one of an extra column."""
    folder, output = split
    stored = [path for path in (folder / "lake").rglob("*") if path.is_file()]
    contents = [path.read_bytes() for path in stored]
    compressed = [path for path in stored if path.suffix == ".parquet"]
    contents += [pd.read_parquet(path).to_csv().encode() for path in compressed]
    assert (len(compressed), len(contents) > 10) == (4, True)
    for content in (*contents, output.encode()):
        for raw in (b"CARD-", b"Surname-", b"NOTE-", b"a comma"):
            assert raw not in content
    bronze = next(path for path in stored if path.suffix == ".csv" and path.parent.name == "bronze")
    assert bronze.read_text().splitlines()[0] == "Card,Term,Tutor,Visits,Result"
    assert read_json(folder, "bronze/latest.json")["dropped"] == ["Surname", "Note"]
    assert "extra columns are not stored (MLOPS_INGEST__EXTRA_COLUMNS): Note" in output
    assert f"first end at line {2 * PERSONS + 2 + 3}" in output


def test_broken_rows_have_reasons(split: tuple[Path, str]) -> None:
    """A blank key, an unknown term and another outcome are rejected, and counted."""
    folder, output = split
    with (folder / "lake/silver/first/rejected.csv").open() as file:
        reasons = [row["reason"] for row in csv.DictReader(file)]
    assert reasons[:3] == [
        "'Card' is missing",
        "'Term' must be a number, a term such as 2025-1 or 2025/26, or a date such "
        "as 2025-09-01; for other terms, list them in `time.order` of the columns file",
        "'Result' must be one of lost, left, kept",
    ]
    assert len(reasons) == len(BROKEN)
    assert "'Card' is missing" in reasons[3]
    assert f"{2 * PERSONS:,} rows to silver, {len(BROKEN)} rejected" in output


def test_persons_and_terms_are_split(split: tuple[Path, str]) -> None:
    """The newest term is tested; its persons are in no other split, and the output says so."""
    folder, output = split
    manifest = read_json(folder, "gold/first/manifest.json")
    assert manifest["columns"] == ["visits", "lost", "person", "term", "tutor", "split_unit"]
    frames = {
        name: pd.read_parquet(folder / f"lake/gold/first/{name}.parquet")
        for name in manifest["splits"]
    }
    assert set(frames["test"]["term"]) == {"2024-10"}
    assert manifest["splits"]["train"]["terms"] == ["2024-1", "2024-2"]
    persons = [set(frame["person"]) for frame in frames.values()]
    assert len(set.union(*persons)) == sum(map(len, persons)) == PERSONS
    assert [split["persons"] for split in manifest["splits"].values()] == list(map(len, persons))
    check = read_json(folder, "reports/first/data_check.json")
    assert (check["persons"]["persons"], check["persons"]["most"]) == (PERSONS, 2)
    assert (check["terms"]["oldest"], check["terms"]["newest"]) == ("2024-1", "2024-10")
    assert manifest["left_out"] == 2 * PERSONS - sum(map(len, frames.values())) > 0
    assert f"{manifest['left_out']:,} older rows are left out" in output


def test_another_secret_is_noticed(split: tuple[Path, str], tmp_path: Path) -> None:
    """The same file gets other pseudonyms, and a warning."""
    folder, _ = split
    ingest = "from pipeline.__main__ import main; main(['ingest', '--run-id', 'second'])"
    assert "has changed" not in run_program(folder, "visitors", ingest)
    secret = (folder / "key_secret").read_text()
    try:
        (folder / "key_secret").write_text("another secret of the release")
        assert "the secret of the pseudonyms has changed" in run_program(folder, "visitors", ingest)
    finally:
        (folder / "key_secret").write_text(secret)


def test_generated_rows_have_roles(split: tuple[Path, str]) -> None:
    """`sample` generates persons, terms and groups, so that such a table can be tried out."""
    folder, _ = split
    program = (
        "from pipeline.data.synthetic import generate_csv; print(generate_csv(90, 1).decode())"
    )
    generated = run_program(folder, "visitors", program)
    rows = list(csv.DictReader(io.StringIO(generated.strip())))
    assert list(rows[0]) == ["Visits", "Result", "Card", "Term", "Tutor"]
    assert len({row["Term"] for row in rows}) == 3
    assert 20 < len({row["Card"] for row in rows}) < 90
