"""The page reads CSV files as the API does: both pass the files of csv_vectors.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext

from pipeline.columns import FEATURE_NAMES, FEATURES, Category
from tests.support.page import Visit

VECTORS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("csv_vectors.json").read_text())
READ = """async ([columns, texts]) => {
    const { readTable } = await import("/page/files.js");
    const { knownNames, readList } = await import("/page/rows.js");
    return texts.map((text) => {
        try {
            const { header, rows } = readList(columns, readTable(text, knownNames(columns)), "x");
            return { rows, others: header.extraNames };
        } catch (error) {
            if (!error.errors) throw error;
            return { error: error.kind, columns: error.errors.map(({ field }) => field) };
        }
    });
}"""
"""Reads texts with the page's modules."""
CODES = {feature.name: feature.codes for feature in FEATURES if isinstance(feature, Category)}


@pytest.fixture(scope="module")
def results(context: BrowserContext, url: str) -> list[dict[str, Any]]:
    """What the page's modules read from each file."""
    page = context.new_page()
    page.goto(url)
    texts = [vector["text"].removeprefix("\ufeff") for vector in VECTORS]  # as decoders do
    columns = page.evaluate("() => fetch('columns').then((response) => response.json())")
    read: list[dict[str, Any]] = page.evaluate(READ, [columns, texts])
    page.close()
    return read


def to_vector(row: dict[str, Any]) -> Any:
    """Return a row that the page read in the form of csv_vectors.json."""
    if row["error"]:
        invalid = [feature["name"] for feature, *_ in row["invalid"]]
        missing = [name for name in invalid if f"{name} is missing" in row["error"]]
        return {"invalid": invalid} | ({"missing": missing} if missing else {})
    values = [row["values"][name] for name in FEATURE_NAMES]
    return [
        CODES[name][value] if name in CODES else value
        for name, value in zip(FEATURE_NAMES, values, strict=True)
    ]


@pytest.mark.parametrize("index", range(len(VECTORS)), ids=[case["name"] for case in VECTORS])
def test_the_page_reads_the_same_rows(results: list[dict[str, Any]], index: int) -> None:
    """Rows, invalid fields, further columns and refusals of a file are those of the vectors."""
    expected, read = VECTORS[index], results[index]
    if "error" in expected:
        assert (read["error"], read["columns"]) == (expected["error"], expected.get("columns", []))
        return
    assert [to_vector(row) for row in read["rows"]] == expected["rows"]
    assert read["others"] == expected.get("others", [])


def test_a_row_is_found_by_its_line_in_a_spreadsheet(visit: Visit) -> None:
    """Blank rows count, a line break in a cell does not, and `sep=` is no row for a spreadsheet."""
    page = visit()
    text = 'sep=,\nname,a\n"x\ny",1\n\nz,2\n'
    lines = page.evaluate(
        """async (text) => {
            const { readTable } = await import("/page/files.js");
            return readTable(text, ["a"]).rows.map(({ line, cells }) => [line, cells[0]]);
        }""",
        text,
    )
    assert lines == [[1, "name"], [2, "x\ny"], [4, "z"]]
