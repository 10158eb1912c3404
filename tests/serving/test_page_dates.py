"""Dates, blanks and unknown categories in the page's form and list."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.support.accessibility import check_accessibility
from tests.support.dated_table import serve_dated_table
from tests.support.page import Visit, choose_file, record_sent_lists, to_csv

EXAMPLE = {"age": 40, "stay": 10, "visits": 3, "town": "ulm"}
HEADER = ["Left", "Card", "Born", "Arrived", "Visits", "Town"]


@pytest.fixture(scope="module")
def dated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A predictor of a table with dates."""
    with serve_dated_table(tmp_path_factory.mktemp("dated")) as url:
        yield url


@pytest.fixture
def page(visit: Visit, dated: str) -> Page:
    """The page of that predictor, which records what it sends."""
    opened = visit(dated)
    record_rows(opened)
    record_sent_lists(opened)
    return opened


def record_rows(page: Page) -> None:
    """Append the rows of the form that the page sends to `window.rows`."""
    page.evaluate(
        """() => {
            const fetch = window.fetch;
            window.rows = [];
            window.fetch = (path, options = {}) => {
                if (typeof options.body === "string") window.rows.push(JSON.parse(options.body));
                return fetch(path, options);
            };
        }"""
    )


def expect_row(page: Page, **changes: Any) -> None:
    """Wait until the page sends the example with changes, and has an answer."""
    page.wait_for_function(
        "wanted => JSON.stringify(window.rows.at(-1)) === JSON.stringify(wanted)",
        arg=EXAMPLE | changes,
    )
    expect(page.locator("#probability")).to_contain_text("%")


def test_a_date_in_the_form(page: Page) -> None:
    """A date becomes the age on the fixed day, and an age the date; the limits hold for both."""
    born = page.locator("#field-age-date-0")
    expect(born).to_have_value("1986-01-31")  # the example, 40 years
    born.fill("2000-07-01")
    expect(page.locator("#field-age")).to_have_value("25.59")
    expect_row(page, age=25.59)
    page.locator("#field-age").fill("30")
    expect(born).to_have_value("1996-02-01")
    expect_row(page, age=30)
    born.fill("2015-01-01")
    expect(page.locator("#field-age-error")).to_contain_text("must be a date such as 2026-01-31")
    expect(born).to_have_attribute("aria-invalid", "true")


def test_two_dates_in_the_form(page: Page) -> None:
    """The time between them is used once both are there; another number clears them."""
    arrived, left = page.locator("#field-stay-date-0"), page.locator("#field-stay-date-1")
    arrived.fill("2025-03-01")
    expect(page.locator("#field-stay")).to_have_value("10")
    left.fill("2025-04-15")
    expect(page.locator("#field-stay")).to_have_value("45")
    expect_row(page, stay=45)
    page.locator("#field-stay").fill("5")
    expect(arrived).to_have_value("")
    expect_row(page, stay=5)


def test_a_blank_in_the_form(page: Page) -> None:
    """ "Not known" is a choice of every feature that may be blank, and of no other."""
    labels = page.locator(".blank", has_text="not known")
    expect(labels).to_have_count(2)
    page.get_by_label("not known").nth(0).check()
    expect(page.locator("#field-age")).to_have_value("")
    expect(page.locator("#field-age-date-0")).to_have_value("")
    expect_row(page, age=None)
    page.locator("#field-visits").fill("")
    expect(page.locator("#field-visits-blank")).to_be_checked()
    page.locator("#field-town-").check(force=True)  # its label covers it
    expect_row(page, age=None, visits=None, town=None)
    check_accessibility(page)
    page.locator("#field-age-blank").uncheck()
    expect_row(page, age=40, visits=None, town=None)


def post_csv(url: str, content: bytes | str) -> list[dict[str, str]]:
    """Return the rows of the API's answer to a list."""
    headers = {"Content-Type": "text/csv"}
    answer = httpx.post(f"{url}/predict/csv", content=content, headers=headers, timeout=30)
    return list(csv.DictReader(io.StringIO(answer.raise_for_status().text)))


def send_list(page: Page, content: bytes) -> list[str]:
    """Rank a list; return the lines that the page sent."""
    choose_file(page, content)
    expect(page.locator("#summary-detail")).to_be_visible()
    sent: str = page.evaluate("window.sent")
    return sent.splitlines()


def test_dates_and_blanks_in_a_list(page: Page, dated: str) -> None:
    """Dates become numbers before they are sent, by the rules of the API."""
    rows = [
        ["2025-04-15", "C-1", "2000-07-01", "2025-03-01", "3", "Ulm"],
        ["2025-03-11 10:00", "C-2", "01.07.2000", "1.3.2025", "3", "kiel"],
        ["2025-03-02", "C-3", "", "2025-03-01", "NA", "Paris"],
        ["", "C-4", "30", "12", "?", ""],
        ["2025-03-02", "C-5", "2000-02-30", "2025-03-01", "3", "ulm"],
        ["", "C-6", "30", "2025-03-01", "3", "ulm"],
    ]
    content = to_csv([HEADER, *rows])
    sent = send_list(page, content)
    assert sent == [
        "age,stay,visits,town",
        "25.59,45,3,ulm",
        "25.59,10,3,kiel",
        ",1,NA,other",
        "30,12,?,",
    ]
    by_api, by_page = post_csv(dated, content), post_csv(dated, "\n".join(sent))
    assert [row["error"] != "" for row in by_api] == [False] * 4 + [True] * 2
    assert [row["probability"] for row in by_api[:4]] == [row["probability"] for row in by_page]
    expect(page.locator("#ranking tbody tr")).to_have_count(4)
    problems = page.locator("#mend-rows li > span:first-child")
    expect(problems).to_have_text(
        [
            re.compile(r"C-5\): age must be a date such as 2026-01-31.* not “2000-02-30”"),
            re.compile(r"C-6\): stay needs two dates such as 2026-01-31.* not “2025-03-01”"),
        ]
    )


NAME_ROWS = """async (tables) => {
    const { readList } = await import("/page/rows.js");
    const columns = await (await fetch("columns")).json();
    return tables.map(([first, ...others]) => {
        const header = [...first, ...columns.features.map(({ name }) => name)];
        const rows = others.map((cells) => [...cells, "30", "1", "2", "ulm"]);
        const table = [header, ...rows].map((cells, index) => ({ line: index + 1, cells }));
        return readList(columns, { rows: table, hasCommas: true }, "x").rows[0].name;
    });
}"""
"""Reads tables of columns that are no features; returns the name of the first row of each."""


def test_what_names_a_row(page: Page) -> None:
    """The key and names, else columns that identify the rows, else the line."""
    cases = [
        ([["Ward", "Card"], ["A", "C-1"], ["B", "C-2"]], "C-1"),
        ([["Ward", "Card"], ["A", "C-1"], ["B", "C-1"]], "C-1"),
        ([["Card", "Surname"], ["C-1", "Lovelace"]], "C-1, Lovelace"),
        ([["Surname", "First name"], ["Lovelace", "Ada"]], "Lovelace, Ada"),
        ([["G1", "Visitor"], ["5", "Ada"], ["5", "Ada"]], "Ada"),
        ([["G1", "File no."], ["5", "81"], ["5", "82"]], "81"),
        ([["G1", "fileId"], ["5", "81"], ["5", "82"]], "81"),
        ([["Sex", "Who"], ["F", "Ada"], ["F", "Mary"]], "Ada"),
        ([["Sex", "Code"], ["F", "7"], ["F", "7"]], "line 2"),
        ([["G1", "G2"], ["5", "6"], ["7", "8"]], "line 2"),
    ]
    names = page.evaluate(NAME_ROWS, [table for table, _ in cases])
    assert names == [name for _, name in cases]
