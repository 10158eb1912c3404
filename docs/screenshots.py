"""Take the screenshots of the predictor's page in docs/images/.

Run `python -m docs.screenshots [URL] [CSV]` with a predictor running, as `make serve` starts one.
With a CSV file it takes those of another table, in docs/how-to/uci-student-performance.md. It needs
Chromium (`make tools`, or its path in CHROMIUM).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

from tests.support.browser import chromium

IMAGES = Path(__file__).parent / "images"
DESKTOP: dict[str, Any] = {"viewport": {"width": 1200, "height": 820}}
TALL: dict[str, Any] = {"viewport": {"width": 1200, "height": 3000}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 1.5,
    "is_mobile": True,
}


def open_page(browser: Browser, url: str, **options: Any) -> Page:
    """Open the page without animations, and wait for its first prediction."""
    page = browser.new_context(reduced_motion="reduce", **options).new_page()
    page.goto(url)
    expect(page.locator("#verdict")).not_to_be_empty()
    page.wait_for_load_state("networkidle")
    return page


def open_list(browser: Browser, url: str, *, with_reasons: bool, **options: Any) -> Page:
    """Open the page and rank its example list, and open the reasons for the second row."""
    page = open_page(browser, url, **options)
    page.locator("#demo").click()
    expect(page.locator("#result")).to_be_visible()
    if with_reasons:
        page.locator("#ranking .why button").nth(1).click()
        expect(page.locator("#why-panel table")).to_be_visible()
    page.evaluate("document.activeElement.blur()")
    page.mouse.move(0, 0)
    return page


def main(url: str) -> None:
    IMAGES.mkdir(exist_ok=True)
    with chromium() as browser:
        open_page(browser, url, **DESKTOP).screenshot(path=IMAGES / "page.png")
        ranked = open_list(browser, url, with_reasons=False, **TALL)
        ranked.locator("#list").screenshot(path=IMAGES / "page-list.png")
        page = open_list(browser, url, with_reasons=True, **TALL)
        page.locator("#result").screenshot(path=IMAGES / "page-why.png")
        dark = open_list(browser, url, with_reasons=True, color_scheme="dark", **TALL)
        dark.locator("#result").screenshot(path=IMAGES / "page-dark.png")
        phone = open_list(browser, url, with_reasons=True, **PHONE)
        phone.evaluate("document.getElementById('result').scrollIntoView()")
        phone.screenshot(path=IMAGES / "page-phone.png")


def take_other_table(url: str, data: str) -> None:
    """Take the screenshots of a table that is not the survey."""
    with chromium() as browser:
        open_page(browser, url, **DESKTOP).screenshot(path=IMAGES / "uci-page.png")
        page = open_page(browser, url, **TALL)
        page.locator("#file").set_input_files(data)
        expect(page.locator("#result")).to_be_visible()
        page.locator("#ranking .why button").first.click()
        expect(page.locator("#why-panel table")).to_be_visible()
        page.evaluate("document.activeElement.blur()")
        clip = page.locator("#result").bounding_box()
        assert clip is not None
        clip["height"] = min(clip["height"], DESKTOP["viewport"]["height"])
        page.screenshot(path=IMAGES / "uci-list.png", clip=clip)


if __name__ == "__main__":
    address, *files = sys.argv[1:] or ["http://127.0.0.1:8000"]
    if files:
        take_other_table(address, files[0])
    else:
        main(address)
