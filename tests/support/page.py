"""Helpers for tests of the predictor's page: open it, request predictions, write class lists."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import httpx
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect

from pipeline.columns import FEATURE_NAMES, FEATURES, Number

TIMEOUT_MS = 60_000
"""Limit of every wait. What a test waits for mostly comes at once, but machines can be busy."""
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "is_mobile": True,
    "has_touch": True,
}


class Visit(Protocol):
    """Opens the page of a predictor, by default of the test's own."""

    def __call__(self, address: str = ..., *, wait: bool = True, **options: Any) -> Page:
        """Open the page with an empty storage.

        Args:
            address: URL of the predictor.
            wait: Wait for the first prediction.
            options: Options of a separate browser context, such as PHONE.
        """


@contextmanager
def shared_context(browser: Browser, url: str) -> Iterator[BrowserContext]:
    """Yield a browser context in which a document of the predictor stays open.

    Pages of the predictor then open in that document's process. In a new context, Chromium starts
    two processes per page, which needs more than half of a test's CPU time.
    """
    with browser.new_context() as context:
        context.set_default_timeout(TIMEOUT_MS)
        context.new_page().goto(f"{url}/healthz")
        yield context


def _reset(context: BrowserContext) -> None:
    """Close the pages of a shared context except its first, and clear what they stored."""
    first, *others = context.pages
    for page in others:
        page.close()
    first.evaluate("localStorage.clear()")
    context.clear_cookies()


@contextmanager
def visits(browser: Browser, url: str, shared: BrowserContext) -> Iterator[Visit]:
    """Yield a function that opens the page, and close what it opened.

    Args:
        browser: The browser.
        url: URL of the predictor.
        shared: Context of the pages that are opened without options.

    Raises:
        AssertionError: At the end, if a page logged an error or sent a request to another origin.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def make_context(**options: Any) -> BrowserContext:
        context = browser.new_context(**options)
        context.set_default_timeout(TIMEOUT_MS)
        contexts.append(context)
        return context

    def visit(address: str = url, *, wait: bool = True, **options: Any) -> Page:
        page = (make_context(**options) if options else shared).new_page()

        def log(entry: ConsoleMessage) -> None:
            if entry.type == "error":
                complaints.append(entry.text)

        def check_origin(request: Request) -> None:
            if not request.url.startswith((address, "data:", "blob:")):
                complaints.append(request.url)

        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", log)
        page.on("request", check_origin)
        page.goto(address)
        if wait:
            expect(page.locator("#probability")).to_contain_text("%")
        return page

    yield visit
    for context in contexts:
        context.close()
    _reset(shared)
    # The browser also logs responses with an error status, which the page shows as a message.
    assert [text for text in complaints if "Failed to load resource" not in text] == []


def predict(url: str, rows: Any) -> list[dict[str, Any]]:
    """Return the API's predictions for one row or a list of rows."""
    response = httpx.post(f"{url}/predict", json=rows, timeout=30).raise_for_status()
    predictions: list[dict[str, Any]] = response.json()["predictions"]
    return predictions


def to_probability(text: str) -> float:
    """Return the probability that the page shows as `text`, such as "7.2%"."""
    return float(text.strip("<>%")) / 100


def to_number(text: str) -> float:
    """Return the number that the page shows as `text`; its minus sign is not a hyphen."""
    return float(text.replace("\N{MINUS SIGN}", "-"))


def class_list(rows: int, header: tuple[str, ...] = FEATURE_NAMES) -> list[list[str]]:
    """Return a header and rows that spread over the features' ranges, with names in column 1."""
    lines = [["Who", *header]]
    for row in range(rows):
        cells = [f"Student {row}"]
        for column, feature in enumerate(FEATURES):
            if isinstance(feature, Number):
                low, high = feature.typical
                steps = round((high - low) / feature.step)
                cells.append(f"{low + (row * (7 + column) % (steps + 1)) * feature.step:g}")
            else:
                cells.append(f"{list(feature.codes.values())[row % len(feature.codes)]:g}")
        lines.append(cells)
    return lines


def to_csv(lines: list[list[str]], delimiter: str = ",") -> bytes:
    """Return the lines as CSV in UTF-8."""
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter).writerows(lines)
    return file.getvalue().encode()


def record_sent_lists(page: Page) -> None:
    """Append what the page sends as a list to `window.sent`.

    Playwright does not see a request body that is a Blob, so this records what fetch is given.
    """
    page.evaluate(
        """() => {
            const fetch = window.fetch;
            window.sent = "";
            window.fetch = async (path, options = {}) => {
                if (options.body instanceof Blob) window.sent += await options.body.text();
                return fetch(path, options);
            };
        }"""
    )


def choose_file(page: Page, content: bytes, name: str = "class.csv") -> None:
    """Choose a file for the page's list."""
    page.locator("#file").set_input_files({"name": name, "mimeType": "text/csv", "buffer": content})
