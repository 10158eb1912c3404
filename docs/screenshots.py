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
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 780},
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


def main(url: str) -> None:
    IMAGES.mkdir(exist_ok=True)
    with chromium() as browser:
        open_page(browser, url, **DESKTOP).screenshot(path=IMAGES / "page.png")
        dark = open_page(browser, url, color_scheme="dark", **DESKTOP)
        dark.screenshot(path=IMAGES / "page-dark.png")
        open_page(browser, url, **PHONE).screenshot(path=IMAGES / "page-phone.png")
        page = open_page(browser, url, viewport={"width": 1200, "height": 2600})
        page.locator("#demo").click()
        expect(page.locator("#result")).to_be_visible()
        page.locator("#list").screenshot(path=IMAGES / "page-list.png")
        page.locator("#model").screenshot(path=IMAGES / "page-model.png")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000")
