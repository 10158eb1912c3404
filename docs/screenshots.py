"""Take the screenshots of the predictor's page in docs/images/.

Run `python -m docs.screenshots [URL]` with a predictor running, as `make serve` starts one. It
needs Chromium (`make tools`, or its path in CHROMIUM).
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


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000")
