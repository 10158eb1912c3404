"""The page with 60 features: in sections, searchable, the most important ones first."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.support.page import PHONE, Visit, choose_file, record_sent_lists, to_csv
from tests.support.wide_table import FEATURES, SECTIONS, serve_wide_table

FIRST = 8
"""Fields in the first section."""
SHOWN_FEATURES = 6
"""Features with a column in the list."""


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A predictor of the wide table."""
    with serve_wide_table(tmp_path_factory.mktemp("wide")) as url:
        yield url


def get_most_important(url: str) -> list[str]:
    return list(httpx.get(f"{url}/model").json()["importance"])


def open_sections(page: Page) -> list[str]:
    titles = page.locator(".section[open] > summary > span:first-child")
    return titles.all_inner_texts()


def test_the_most_important_fields_come_first(visit: Visit, wide: str) -> None:
    """The others are in the sections of the columns file, each in the order of importance."""
    page = visit(wide)
    expect(page.locator("#name")).to_have_text("Breast tumours")
    expect(page.locator(".section")).to_have_count(1 + len(SECTIONS))
    assert open_sections(page) == ["Most important"]
    shown = [
        name.removeprefix("field-").removesuffix("-label")
        for name in page.locator(".section [id$=-label]").evaluate_all("all => all.map(o => o.id)")
    ]
    importance = get_most_important(wide)
    assert set(importance[:2]) == {"width_41", "shape_3"}
    assert (shown[:FIRST], sorted(shown)) == (importance[:FIRST], sorted(FEATURES))
    before = page.locator("#probability").inner_text()
    page.locator("#field-width_41-slider").press("End")
    expect(page.locator("#probability")).not_to_have_text(before)


def test_search(visit: Visit, wide: str) -> None:
    """Only fields with all words are shown, with their sections. Clearing it restores the form."""
    page = visit(wide)
    expect(page.locator(".section")).to_have_count(1 + len(SECTIONS))
    page.locator("#search").fill("SHAPE oval 7")
    expect(page.locator("#found")).to_have_text("1 of 60 values")
    expect(page.locator(".section .field:visible")).to_have_count(1)
    expect(page.locator("#field-shape_7-label")).to_be_visible()
    page.locator("#search").fill("nothing like this")
    expect(page.locator(".section .field:visible")).to_have_count(0)
    page.locator("#search").fill("")
    expect(page.locator("#found")).to_be_empty()
    assert open_sections(page) == ["Most important"]
    expect(page.locator(".section .field:visible")).to_have_count(FIRST)


def test_the_list_shows_other_columns_of_the_file(visit: Visit, wide: str) -> None:
    """They are not sent; the key names the row. The most important features have columns."""
    page = visit(wide)
    record_sent_lists(page)
    rows = [
        [f"Site {row % 2}", "Ward 1", f"P-{row}", *map(str, range(row, row + 50)), *["oval"] * 10]
        for row in range(5)
    ]
    choose_file(page, to_csv([["Unit", "Ward", "Case number", *FEATURES], *rows]))
    heads = page.locator("#ranking thead th")
    expect(heads).to_have_count(6 + SHOWN_FEATURES)
    titles = heads.all_inner_texts()
    assert titles[:6] == ["Rank", "Name", "Risk", "Why", "Unit", "Ward"]
    assert set(titles[6:8]) == {"Width 41", "Shape 3"}
    expect(page.locator("#ranking tbody .name").first).to_have_text(re.compile(r"^P-\d$"))
    sent = page.evaluate("window.sent")
    assert sent.splitlines()[0] == ",".join(FEATURES)
    assert not [text for text in ("P-", "Site", "Ward") if text in sent]
    page.locator("#wide").check()
    expect(heads).to_have_count(6 + len(FEATURES))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(visit: Visit, wide: str, scheme: str) -> None:
    """Nothing is wider than the screen, and the risk stays visible above the form."""
    page = visit(wide, color_scheme=scheme, **PHONE)
    expect(page.locator(".section")).to_have_count(1 + len(SECTIONS))
    page.locator(".section summary").last.click()
    width = PHONE["viewport"]["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator(".section .field:visible").last.scroll_into_view_if_needed()
    expect(page.locator("#probability")).to_be_in_viewport()
