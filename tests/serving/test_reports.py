"""/reports: the served version's model card and gates, and the latest drift check, as pages."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from pipeline.storage.layout import (
    DRIFT_PAGE,
    HUGGING_FACE_CARD,
    MODEL_CARD_HTML,
    VALIDATION_PAGE,
    latest_report_file,
    report_file,
)
from serving import report_reader
from serving.report_reader import ReportReader
from tests.support.browser import chromium
from tests.support.forest import LINEAGE, make_bundle
from tests.support.predictor import open_disk_lake, serve_bundle

RUN = LINEAGE.pipeline_run_id
PICTURE = "data:image/svg+xml;utf8,<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>"
PAGES = {
    report_file(RUN, MODEL_CARD_HTML): f"<title>Card</title><style>h1 {{ color: red }}</style>"
    f'<h1>Card</h1><img alt="" src="{PICTURE}"><a href="{VALIDATION_PAGE}">Gates</a>',
    report_file(RUN, VALIDATION_PAGE): f'<title>Gates</title><a href="../{DRIFT_PAGE}">Drift</a>',
    latest_report_file(
        DRIFT_PAGE
    ): f'<title>Drift</title><a href="{RUN}/{MODEL_CARD_HTML}">Card</a>',
}
"""Pages that link to each other as the reports do: lake key -> HTML."""
BROWSER = {"Accept": "text/html,*/*;q=0.8"}


@pytest.fixture
def lake_with_reports(tmp_path: Path) -> Path:
    """A folder whose lake has every report."""
    lake = open_disk_lake(tmp_path)
    for key, text in PAGES.items():
        lake.write(key, text.encode())
    return tmp_path


@pytest.fixture
def reports(lake_with_reports: Path) -> Iterator[httpx.Client]:
    """A client of a predictor whose lake has every report."""
    with (
        serve_bundle(lake_with_reports, make_bundle()) as url,
        httpx.Client(base_url=url, timeout=30, follow_redirects=True) as made,
    ):
        yield made


@pytest.mark.parametrize(
    ("address", "key"), list(zip(("card", "gates", "drift"), PAGES, strict=True))
)
def test_short_addresses_lead_to_the_reports(reports: httpx.Client, address: str, key: str) -> None:
    """The final address is the report's key in the lake, so relative links work."""
    response = reports.get(f"/reports/{address}")
    assert (response.status_code, response.text) == (200, PAGES[key])
    assert response.url.path == f"/{key}"
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in response.headers["content-security-policy"]


def test_the_card_for_the_hub_is_text(lake_with_reports: Path, reports: httpx.Client) -> None:
    """README.md of the served version is Markdown, and no browser takes it for a page."""
    key = report_file(RUN, HUGGING_FACE_CARD)
    open_disk_lake(lake_with_reports).write(key, b"---\nlicense: unknown\n---\n")
    response = reports.get(f"/{key}")
    assert response.text.startswith("---\nlicense")
    assert response.headers["content-type"] == "text/markdown; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"


def test_a_browser_follows_the_links_and_applies_the_styles(lake_with_reports: Path) -> None:
    """Card, gates and drift link to each other; the policy allows styles and embedded images."""
    with serve_bundle(lake_with_reports, make_bundle()) as url, chromium() as browser:
        page = browser.new_page()
        refused: list[str] = []
        page.on("console", lambda entry: refused.append(entry.text))
        page.goto(f"{url}/reports/card")
        assert page.evaluate("getComputedStyle(document.querySelector('h1')).color") == (
            "rgb(255, 0, 0)"
        )
        assert page.evaluate("document.querySelector('img').naturalWidth") > 0
        for link in ("Gates", "Drift", "Card"):
            page.get_by_role("link", name=link).click()
            expect(page).to_have_title(link)
        assert [text for text in refused if "favicon" not in text] == []


def test_missing_reports_are_explained(client: httpx.Client) -> None:
    """A browser gets a page, another client a problem document, with the same sentence."""
    for address, sentence in (
        ("card", f"Version 1 has no model card. The stage `evaluate` of run {RUN} writes it"),
        ("gates", "Version 1 has no page with the gates. The stage `validate`"),
        ("drift", "No drift check has had a verdict yet."),
    ):
        page = client.get(f"/reports/{address}", headers=BROWSER, follow_redirects=True)
        assert page.status_code == 404
        assert sentence in page.text
        assert page.headers["content-type"].startswith("text/html")
        problem = client.get(f"/reports/{address}", follow_redirects=True)
        assert problem.status_code == 404
        assert problem.json()["detail"].startswith(sentence)


@pytest.mark.parametrize(
    "path",
    [
        "other-run/model_card.html",
        f"{RUN}/evaluation.json",
        "promotions.jsonl",
        "%2e%2e/models/manifest.json",
        "..%2fmodels%2fmanifest.json",
        f"{RUN}%2f..%2f..%2fmodels/manifest.json",
    ],
)
def test_nothing_else_of_the_lake_is_served(reports: httpx.Client, path: str) -> None:
    """Other runs, other files and other layers are not found, however the path is written."""
    response = reports.get(f"/reports/{path}")
    assert response.status_code == 404
    assert response.json()["title"] == "Not Found"


def test_a_report_is_read_once_for_many_requests(lake_with_reports: Path) -> None:
    """A report that has changed is served when the copy has expired."""
    lake = open_disk_lake(lake_with_reports)
    key = latest_report_file(DRIFT_PAGE)
    with serve_bundle(lake_with_reports, make_bundle()) as url:
        before = httpx.get(f"{url}/{key}").text
        lake.write(key, b"changed")
        assert httpx.get(f"{url}/{key}").text == before == PAGES[key]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(report_reader, "CACHE_SECONDS", 0)
            assert httpx.get(f"{url}/{key}").text == "changed"


def test_a_lake_that_does_not_respond_holds_no_request(
    lake_with_reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request ends with 503 while the lake is read, and predictions go on."""
    release = threading.Event()

    def read(_: ReportReader, key: str) -> bytes:
        release.wait(60)
        return key.encode()

    monkeypatch.setattr(ReportReader, "_read", read)
    monkeypatch.setattr(report_reader, "READ_TIMEOUT_SECONDS", 0.05)
    with serve_bundle(lake_with_reports, make_bundle()) as url:
        answers = [httpx.get(f"{url}/reports/{DRIFT_PAGE}") for _ in range(3)]
        release.set()
        assert {answer.status_code for answer in answers} == {503}
        assert "did not return the report" in answers[0].json()["detail"]
