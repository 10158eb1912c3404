"""The page at `/`, in a real browser with a real predictor."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped] # has no types
from playwright.sync_api import Browser, Page, Route, expect

from pipeline.columns import FEATURE_NAMES, FEATURES, LABEL, RAW_HEADER, Category, Number
from tests.support.browser import chromium
from tests.support.forest import make_bundle
from tests.support.page import (
    PHONE,
    TIMEOUT_MS,
    Visit,
    choose_file,
    class_list,
    predict,
    to_csv,
    to_probability,
    visits,
)
from tests.support.predictor import serve_bundle

PAGE = Path(__file__).parents[2] / "serving" / "page"
EXAMPLE: dict[str, Any] = {feature.name: feature.example for feature in FEATURES}
NUMBER = next(
    feature for feature in FEATURES if isinstance(feature, Number) and not feature.is_integer
)
CATEGORY = next(feature for feature in FEATURES if isinstance(feature, Category))
BUSY = {
    "title": "Service Unavailable",
    "status": 503,
    "detail": "8 requests are waiting",
    "errors": [],
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        expect.set_options(timeout=TIMEOUT_MS)
        yield opened


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("predictor")
    with serve_bundle(folder, make_bundle(version="7", background_rows=40)) as address:
        yield address


@pytest.fixture
def visit(browser: Browser, url: str) -> Iterator[Visit]:
    with visits(browser, url) as opened:
        yield opened


class TestWhatIf:
    def test_the_example_is_predicted_and_explained(self, visit: Visit, url: str) -> None:
        """The page opens with the API's prediction for the example; its contributions add up."""
        page = visit()
        (answer,) = predict(url, EXAMPLE)
        shown = to_probability(page.locator("#probability").inner_text())
        assert shown == pytest.approx(answer["fail_probability"], abs=0.006)
        verdict = "at risk" if answer["label"] == LABEL.positive else "not at risk"
        expect(page.locator("#verdict")).to_have_text(verdict)
        points = page.locator("#contributions tbody td.number").all_inner_texts()
        assert len(points) == len(FEATURES)
        base = to_probability(page.locator("#base").inner_text())
        total = base + sum(float(text.replace("\N{MINUS SIGN}", "-")) for text in points) / 100
        assert total == pytest.approx(shown, abs=0.015)

    def test_the_keyboard_moves_a_slider(self, visit: Visit, url: str) -> None:
        """Home, arrow keys and End move a slider; its box and the prediction follow."""
        page = visit()
        slider = page.locator(f"#field-{NUMBER.name}-slider")
        low, high = NUMBER.typical
        for key, value in (("Home", low), ("ArrowRight", low + NUMBER.step), ("End", high)):
            slider.press(key)
            expect(page.locator(f"#field-{NUMBER.name}")).to_have_value(f"{value:g}")
            (answer,) = predict(url, EXAMPLE | {NUMBER.name: value})
            percent = 100 * answer["fail_probability"]
            expect(page.locator("#probability")).to_have_text(
                re.compile(rf"^{round(percent)}(\.\d)?%$|^{percent:.1f}%$")
            )

    def test_the_keyboard_chooses_a_category(self, visit: Visit) -> None:
        """An arrow key chooses the next button, and the request has the category's name."""
        page = visit()
        first, second = list(CATEGORY.codes)[:2]
        page.locator(f"#field-{CATEGORY.name}-{first}").check(force=True)
        with page.expect_request(
            lambda request: "/predict" in request.url and second in (request.post_data or "")
        ):
            page.locator(f"#field-{CATEGORY.name}-{first}").press("ArrowRight")
        expect(page.locator(f"#field-{CATEGORY.name}-{second}")).to_be_checked()

    def test_a_late_response_does_not_replace_a_newer_one(self, visit: Visit) -> None:
        """The response to an older request is dropped if a newer one is shown."""
        page = visit()
        late: list[Route] = []

        def hold(route: Route) -> None:
            if json.loads(route.request.post_data or "{}")[NUMBER.name] == NUMBER.typical[0]:
                late.append(route)
            else:
                route.fallback()

        page.route("**/predict?*", hold)
        box = page.locator(f"#field-{NUMBER.name}")
        row = page.locator("#contributions tbody tr").nth(FEATURE_NAMES.index(NUMBER.name))
        with page.expect_request(lambda request: "/predict" in request.url):
            box.fill(f"{NUMBER.typical[0]:g}")
        with page.expect_response(lambda response: "/predict" in response.url):
            box.fill(f"{NUMBER.typical[1]:g}")
        expect(row.locator("th .quiet")).to_have_text(f"{NUMBER.typical[1]:g}")
        newest = page.locator("#probability").inner_text()
        with page.expect_response(lambda response: "/predict" in response.url):
            late[0].continue_()
        page.wait_for_load_state("networkidle")
        expect(row.locator("th .quiet")).to_have_text(f"{NUMBER.typical[1]:g}")
        assert page.locator("#probability").inner_text() == newest

    def test_an_invalid_value_has_an_error_at_its_field(self, visit: Visit) -> None:
        """The error is tied to the field and removes the prediction until the value is valid."""
        page = visit()
        box = page.locator(f"#field-{NUMBER.name}")
        error = page.locator(f"#field-{NUMBER.name}-error")
        box.fill(f"{NUMBER.high + 1:g}")
        expect(error).to_contain_text(f"{NUMBER.high:g}")
        expect(box).to_have_attribute("aria-invalid", "true")
        assert f"field-{NUMBER.name}-error" in (box.get_attribute("aria-describedby") or "")
        expect(page.locator("#probability")).to_have_text("\N{EN DASH}")
        box.fill("")
        expect(error).not_to_be_empty()
        box.fill(f"{NUMBER.example:g}")
        expect(error).to_be_empty()
        expect(page.locator("#probability")).to_contain_text("%")

    def test_a_busy_predictor_still_predicts_without_explanation(self, visit: Visit) -> None:
        """After 503 for an explanation, the page requests the prediction without one."""
        page = visit(wait=False)
        page.route("**/predict?*explain*", lambda route: route.fulfill(status=503, json=BUSY))
        page.locator(f"#field-{NUMBER.name}").fill(f"{NUMBER.typical[1]:g}")
        expect(page.locator("#reason")).to_contain_text(str(BUSY["detail"]))
        expect(page.locator("#probability")).to_contain_text("%")
        expect(page.locator("#contributions")).to_be_hidden()

    def test_only_a_class_list_is_live_traffic(self, visit: Visit, url: str) -> None:
        """The predictor logs the rows of a class list, but not those of sliders and the example."""

        def logged_rows() -> float:
            pattern = r"^predictor_log_rows_(?:written_total|waiting) (\S+)$"
            values = re.findall(pattern, httpx.get(f"{url}/metrics").text, re.MULTILINE)
            assert len(values) == 2
            return sum(map(float, values))

        page = visit()
        before = logged_rows()
        page.locator(f"#field-{NUMBER.name}-slider").press("End")
        page.locator("#demo").click()
        expect(page.locator("#result")).to_be_visible()
        assert logged_rows() == before
        choose_file(page, to_csv(class_list(6)))
        expect(page.locator("#ranking tbody tr")).to_have_count(6)
        assert logged_rows() == before + 6

    def test_an_unreachable_predictor_is_reported(self, visit: Visit) -> None:
        """Without a network the page shows an error; the next change after that is predicted."""
        page = visit()
        box = page.locator(f"#field-{NUMBER.name}")
        page.context.set_offline(True)
        box.fill(f"{NUMBER.typical[0]:g}")
        expect(page.locator("#refusal")).to_contain_text("cannot be reached")
        page.context.set_offline(False)
        box.fill(f"{NUMBER.typical[1]:g}")
        expect(page.locator("#refusal")).to_be_hidden()


class TestList:
    def test_a_list_is_ranked_and_names_stay_in_the_browser(self, visit: Visit, url: str) -> None:
        """The highest risk comes first. A column that the model does not use is never sent."""
        page = visit()
        lines = class_list(30)
        # Playwright does not see a request body that is a Blob, so record what fetch is given.
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
        choose_file(page, to_csv(lines))
        table = page.locator("#ranking tbody tr")
        expect(table).to_have_count(30)
        sent = page.evaluate("window.sent")
        assert sent.splitlines()[0] == ",".join(FEATURE_NAMES)
        assert "Student" not in sent
        rows = [dict(zip(FEATURE_NAMES, map(float, line[1:]), strict=True)) for line in lines[1:]]
        answers = predict(url, rows)
        first = max(range(30), key=lambda index: (answers[index]["fail_probability"], -index))
        expect(table.first).to_contain_text(lines[first + 1][0])
        shown = [to_probability(text) for text in page.locator(".risk-number").all_inner_texts()]
        assert shown == sorted(shown, reverse=True)
        at_risk = sum(answer["label"] == LABEL.positive for answer in answers)
        expect(page.locator("#summary")).to_contain_text(f"{at_risk} of 30")

    @pytest.mark.parametrize(
        ("header", "delimiter", "encoding"),
        [
            (FEATURE_NAMES, ",", "utf-8-sig"),
            (RAW_HEADER[:-1], ";", "windows-1252"),
            (FEATURE_NAMES, "\t", "utf-8"),
        ],
    )
    def test_files_of_spreadsheets_are_read(
        self, visit: Visit, header: tuple[str, ...], delimiter: str, encoding: str
    ) -> None:
        """Both headers, three separators, two encodings and decimal commas are understood."""
        page = visit()
        lines = class_list(3, header)
        lines[1][0] = "Zoë"
        if delimiter == ";":
            lines = [lines[0], *([cell.replace(".", ",") for cell in line] for line in lines[1:])]
        choose_file(page, to_csv(lines, delimiter).decode().encode(encoding))
        expect(page.locator("#ranking tbody tr")).to_have_count(3)
        expect(page.locator("#ranking")).to_contain_text("Zoë")
        expect(page.locator("#unread")).to_be_hidden()

    def test_a_column_head_sorts(self, visit: Visit) -> None:
        """A click sorts by the column, a second one reverses the order; `aria-sort` names it."""
        page = visit()
        choose_file(page, to_csv(class_list(8)))
        expect(page.locator("#ranking tbody tr")).to_have_count(8)
        head = page.locator("#ranking thead th", has_text=re.compile("^age$", re.IGNORECASE))
        column = page.locator("#ranking thead th").all_inner_texts().index(head.inner_text())
        for order in ("ascending", "descending"):
            head.get_by_role("button").click()
            expect(head).to_have_attribute("aria-sort", order)
            cells = page.locator(f"#ranking tbody td:nth-child({column + 1})").all_inner_texts()
            assert cells == sorted(cells, key=float, reverse=order == "descending")

    def test_an_invalid_row_affects_only_itself_and_the_list_is_downloaded(
        self, visit: Visit
    ) -> None:
        """The page names the row and the reason. The download has every row, without formulas."""
        page = visit()
        lines = class_list(4)
        lines[1][0] = '=HYPERLINK("x")'
        lines[2][1] = "many"
        choose_file(page, to_csv(lines), "7b.csv")
        expect(page.locator("#ranking tbody tr")).to_have_count(3)
        expect(page.locator("#unread summary")).to_have_text("1 row could not be read")
        page.locator("#unread summary").click()
        expect(page.locator("#unread li")).to_contain_text(f"Row 2: {FEATURE_NAMES[0]}")
        with page.expect_download() as download:
            page.locator("#download").click()
        assert download.value.suggested_filename == "7b-ranked.csv"
        rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text("utf-8-sig"))))
        assert [row["rank"] for row in rows] == ["1", "2", "3", ""]
        assert {row["Who"] for row in rows} == {f"'{lines[1][0]}", *(line[0] for line in lines[2:])}
        assert rows[-1]["error"]
        assert all(row["fail_probability"] for row in rows[:-1])

    def test_a_file_without_the_columns_or_rows_is_not_sent(self, visit: Visit) -> None:
        """The message says what is missing, and the predictor receives nothing."""
        page = visit()
        page.on(
            "request",
            lambda request: pytest.fail("it was sent") if "predict/csv" in request.url else None,
        )
        for content, message in (
            (b"a,b\r\n1,2\r\n", "These columns are missing"),
            (b"", "has no rows"),
            (to_csv(class_list(0)), "has no rows"),
        ):
            choose_file(page, content)
            expect(page.locator("#list-problem")).to_contain_text(message)

    def test_a_file_can_be_dropped(self, visit: Visit) -> None:
        """Dropping a file is the same as choosing it."""
        page = visit()
        transfer = page.evaluate_handle(
            """text => {
                const transfer = new DataTransfer();
                transfer.items.add(new File([text], "class.csv"));
                return transfer;
            }""",
            to_csv(class_list(6)).decode(),
        )
        page.locator("#drop").dispatch_event("drop", {"dataTransfer": transfer})
        expect(page.locator("#ranking tbody tr")).to_have_count(6)

    def test_a_row_is_explained(self, visit: Visit) -> None:
        """`Why` puts the row into the form, which then shows the row's probability."""
        page = visit()
        page.locator("#demo").click()
        first = page.locator("#ranking tbody tr").first
        shown = first.locator(".risk-number").inner_text()
        first.get_by_role("button").click()
        expect(page.locator("#probability")).to_have_text(shown)

    def test_a_long_list_is_shown_in_parts(self, visit: Visit) -> None:
        """The table has 50 rows until more are requested; a box hides those not at risk."""
        page = visit()
        choose_file(page, to_csv(class_list(3_000)))
        rows = page.locator("#ranking tbody tr")
        expect(rows).to_have_count(50)
        page.locator("#more").click()
        expect(rows).to_have_count(100)
        page.locator("#only").check()
        expect(page.locator("#ranking tbody tr:not(.high)")).to_have_count(0)

    def test_csv_does_not_depend_on_chunks(self, visit: Visit) -> None:
        """Quotes, both line ends and blank lines are read the same, wherever a chunk ends."""
        page = visit()
        text = 'a,"b, c","say ""so"""\r\n\r\n1,"two\nlines",\n"",x,3'
        results = page.evaluate(
            """async (text) => {
                const { Reader } = await import("/page/csv.js");
                const read = (chunks) => {
                    const reader = new Reader();
                    return [...chunks.flatMap((chunk) => reader.push(chunk)), ...reader.end()];
                };
                return Array.from({ length: text.length + 1 }, (_, split) =>
                    read([text.slice(0, split), text.slice(split)]));
            }""",
            text,
        )
        expected = [["a", "b, c", 'say "so"'], ["1", "two\nlines", ""], ["", "x", "3"]]
        assert all(rows == expected for rows in results)


class TestModel:
    def test_the_model_in_use_is_shown(self, visit: Visit, url: str) -> None:
        """Version, metrics with intervals, gates and lineage are those of GET /model."""
        page = visit()
        model = httpx.get(f"{url}/model").json()
        expect(page.locator("#serving")).to_contain_text(f"Version {model['version']}")
        expect(page.locator("#metrics li")).to_have_count(len(model["metrics"]))
        for number in next(iter(model["metrics"].values())).values():
            expect(page.locator("#metrics li").first).to_contain_text(f"{number:g}")
        expect(page.locator("#gates tr")).to_have_count(len(model["gates"]))
        gate = page.locator("#gates tr").first
        expect(gate).to_contain_text("passed")
        expect(gate).to_contain_text(model["gates"][0]["reason"])
        expect(page.locator("#facts")).to_contain_text(model["lineage"]["bronze"][:12])

    def test_a_prediction_of_another_model_reloads_the_model(self, visit: Visit, url: str) -> None:
        """If a prediction comes from another version, the page loads that version at once."""
        page = visit()
        newer = httpx.get(f"{url}/model").json() | {"version": "8"}
        answer = httpx.post(f"{url}/predict", json=EXAMPLE).json()
        answer["model"]["version"] = "8"
        page.route("**/model", lambda route: route.fulfill(json=newer))
        page.route("**/predict?*", lambda route: route.fulfill(json=answer))
        page.locator("#reset").click()
        expect(page.locator("#serving")).to_contain_text("Version 8")

    def test_a_missing_model_is_reported(self, visit: Visit) -> None:
        """Before the first promotion, the page shows the predictor's message."""
        page = visit(wait=False)
        problem = BUSY | {"detail": "No model yet: nothing is registered"}
        page.route("**/model", lambda route: route.fulfill(status=503, json=problem))
        page.route("**/predict*", lambda route: route.fulfill(status=503, json=problem))
        page.reload()
        expect(page.locator("#model-problem")).to_contain_text("nothing is registered")
        expect(page.locator("#refusal")).to_contain_text("nothing is registered")


class TestAccessibility:
    @pytest.mark.parametrize(
        "options", [{}, {"color_scheme": "dark"} | PHONE], ids=["desktop", "dark phone"]
    )
    def test_axe_finds_no_violation(self, visit: Visit, options: dict[str, Any]) -> None:
        """With a list and an error on the page, no rule of axe-core is violated."""
        page = visit(reduced_motion="reduce", **options)
        page.locator("#demo").click()
        expect(page.locator("#result")).to_be_visible()
        page.locator(f"#field-{NUMBER.name}").fill(f"{NUMBER.high + 1:g}")
        expect(page.locator(f"#field-{NUMBER.name}-error")).not_to_be_empty()
        found = Axe().run(page, options={"resultTypes": ["violations"]})
        assert found.violations_count == 0, found.generate_report()

    def test_the_tab_key_reaches_every_control(self, visit: Visit) -> None:
        """Tab moves through the sliders and the list's controls in reading order."""
        page = visit()
        sliders = [
            f"field-{feature.name}-slider" for feature in FEATURES if isinstance(feature, Number)
        ]
        expected = [*sliders, "reset", "file", "demo", "template"]
        reached: list[str] = []
        while "template" not in reached and len(reached) < 60:
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.id"))
        assert [name for name in reached if name in expected] == expected

    def test_the_risk_stays_visible_on_a_phone(self, visit: Visit) -> None:
        """Nothing is wider than the screen; the risk is visible while the last slider moves."""
        page = visit(**PHONE)
        page.locator("#demo").click()
        expect(page.locator("#result")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["viewport"]["width"]
        page.locator("#reset").scroll_into_view_if_needed()
        expect(page.locator("#probability")).to_be_in_viewport()


def test_the_page_does_not_name_the_data() -> None:
    """Column and category names come from GET /columns, so another data set needs no other page."""
    names = {FEATURES[0].raw, *FEATURE_NAMES, *RAW_HEADER} | {
        name for feature in FEATURES if isinstance(feature, Category) for name in feature.codes
    }
    long = {name for name in names if len(name) > 3}  # `no` and `age` are parts of other words
    for path in PAGE.iterdir():
        text = path.read_text()
        pattern = r"\b{}\b"
        assert [
            name for name in long if re.search(pattern.format(re.escape(name)), text, re.IGNORECASE)
        ] == [], path.name


def test_the_policy_allows_only_files_of_this_origin(url: str) -> None:
    """Nothing is inline and nothing comes from elsewhere, so a file's cell cannot become code."""
    response = httpx.get(url)
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    inline = r"<style|\son\w+=|\sstyle=|<script(?![^>]*\ssrc=)|https?://"
    assert re.findall(inline, response.text) == []


def test_an_unchanged_file_is_not_sent_again(url: str) -> None:
    """Browsers revalidate the page's files: a new version is used at once, an old one is 304."""
    response = httpx.get(f"{url}/page/app.js")
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "javascript" in response.headers["Content-Type"]
    again = httpx.get(f"{url}/page/app.js", headers={"If-None-Match": response.headers["ETag"]})
    assert again.status_code == 304


def test_the_documentation_needs_no_internet(visit: Visit) -> None:
    """Swagger UI comes from the predictor, and an operation can be executed."""
    page = visit(wait=False)
    page.goto(page.url + "docs")
    operation = page.locator(".opblock", has_text="/columns")
    operation.locator(".opblock-summary").click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table .response").first).to_contain_text("200")


def test_the_page_asks_for_the_api_key(visit: Visit, tmp_path: Path) -> None:
    """If predictions need a key, the page has a field for it, and keeps it for the tab."""
    with serve_bundle(
        tmp_path, make_bundle(version="7", background_rows=40), api_key="let-me-in"
    ) as guarded:
        page: Page = visit(guarded, wait=False)
        expect(page.locator("#access")).to_be_visible()
        page.locator("#key").fill("let-me-in")
        page.locator("#key").press("Enter")
        expect(page.locator("#probability")).to_contain_text("%")
        expect(page.locator("#access")).to_be_hidden()
        page.reload()
        expect(page.locator("#probability")).to_contain_text("%")
