"""axe-core's accessibility rules, for open pages and for pages that are one HTML file."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped] # has no types
from playwright.sync_api import Page

from tests.support.browser import chromium

OPTIONS: tuple[dict[str, object], ...] = (
    {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    {"color_scheme": "dark", "viewport": {"width": 390, "height": 844}},
)
"""A desk in light mode and a phone in dark mode."""


def check_accessibility(page: Page) -> None:
    """Check a page that is open.

    Raises:
        AssertionError: If it violates a rule.
    """
    found = Axe().run(page, options={"resultTypes": ["violations"]})
    assert found.violations_count == 0, found.generate_report()


def find_violations(html: str) -> list[str]:
    """Return the violated rules of a page with their elements; skip without Chromium."""
    found = []
    with chromium() as browser:
        for options in OPTIONS:
            page = browser.new_page(**options)  # type: ignore[arg-type]
            page.set_content(html)
            for violation in Axe().run(page).response["violations"]:
                nodes = [node["html"][:120] for node in violation["nodes"]]
                found.append(f"{violation['id']}: {nodes}")
            page.close()
    return found
