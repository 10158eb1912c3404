"""The page at `/`, in a real browser on a real predictor."""

from __future__ import annotations

import csv
import io
import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it publishes no types
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from pipeline.columns import FEATURE_NAMES, FEATURES, LABEL, RAW_HEADER, Category, Number
from tests.support.browser import chromium
from tests.serving.forest import bundle
from tests.serving.predictor import running

PAGE = Path(__file__).parents[2] / "serving" / "page"
EXAMPLE: dict[str, Any] = {feature.name: feature.example for feature in FEATURES}
NUMBER = next(
    feature for feature in FEATURES if isinstance(feature, Number) and not feature.is_integer
)
CATEGORY = next(feature for feature in FEATURES if isinstance(feature, Category))
PATIENCE = 60_000
"""Milliseconds that anything may take to show: machines are slow at times, and what is waited for mostly comes at once."""
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        expect.set_options(timeout=PATIENCE)
        yield opened


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(
        tmp_path_factory.mktemp("predictor"), bundle(version="7", background=40)
    ) as address:
        yield address


@pytest.fixture
def visit(browser: Browser, url: str) -> Iterator[Callable[..., Page]]:
    """Opens the page and waits for its first prediction. Whatever the browser complains of fails the test, and so does
    any request to another place than the predictor."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def opened(address: str = url, wait: bool = True, **options: Any) -> Page:
        context = browser.new_context(**options)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: complaints.append(message.text) if message.type == "error" else None,
        )
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((address, "data:", "blob:"))
                else complaints.append(request.url)
            ),
        )
        page.goto(address)
        if wait:
            expect(page.locator("#probability")).to_contain_text("%")
        return page

    yield opened
    for context in contexts:
        context.close()
    # A status that the page shows as a sentence is in the browser's console too.
    assert [text for text in complaints if "Failed to load resource" not in text] == []


def ask(url: str, path: str, row: Any = None) -> Any:
    body = None if row is None else json.dumps(row).encode()
    request = urllib.request.Request(f"{url}/{path}", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def percent(text: str) -> float:
    return float(text.strip("<>%")) / 100


def class_list(rows: int, header: tuple[str, ...] = FEATURE_NAMES) -> list[list[str]]:
    """Rows over the features' ranges, a column of names before them."""
    lines = [["Who", *header]]
    for row in range(rows):
        cells = []
        for column, feature in enumerate(FEATURES):
            if isinstance(feature, Number):
                low, high = feature.typical
                steps = round((high - low) / feature.step)
                cells.append(f"{low + (row * (7 + column) % (steps + 1)) * feature.step:g}")
            else:
                cells.append(f"{list(feature.codes.values())[row % len(feature.codes)]:g}")
        lines.append([f"Pupil {row}", *cells])
    return lines


def text_of(lines: list[list[str]], delimiter: str = ",") -> bytes:
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter).writerows(lines)
    return file.getvalue().encode()


def choose(page: Page, content: bytes, name: str = "class.csv") -> None:
    page.locator("#file").set_input_files({"name": name, "mimeType": "text/csv", "buffer": content})


class TestWhatIf:
    def test_the_first_thing_shown_is_the_examples_prediction(
        self, visit: Callable[..., Page], url: str
    ) -> None:
        """Without a touch the page shows what POST /predict answers for the dictionary's examples."""
        page = visit()
        answer = ask(url, "predict", EXAMPLE)
        shown = percent(page.locator("#probability").inner_text())
        assert shown == pytest.approx(answer["predictions"][0]["fail_probability"], abs=0.006)
        verdict = (
            "at risk" if answer["predictions"][0]["label"] == LABEL.positive else "not at risk"
        )
        expect(page.locator("#verdict")).to_have_text(verdict)

    def test_contributions_lead_from_the_average_to_the_prediction(
        self, visit: Callable[..., Page]
    ) -> None:
        """The bars' numbers add up: base value plus every feature's points is the probability that is shown."""
        page = visit()
        table = page.locator("#contributions")
        expect(table).to_be_visible()
        points = [
            text.replace("\N{MINUS SIGN}", "-")
            for text in table.locator("tbody td.number").all_inner_texts()
        ]
        assert len(points) == len(FEATURES)
        widths = [bar.bounding_box()["width"] for bar in table.locator(".bar").all()]  # type: ignore[index]  # all are drawn
        longest = max(range(len(points)), key=lambda index: widths[index])
        for text, width in zip(points, widths, strict=True):
            assert width / widths[longest] == pytest.approx(
                abs(float(text) / float(points[longest])), abs=0.03
            )
        total = (
            percent(page.locator("#base").inner_text()) + sum(float(text) for text in points) / 100
        )
        assert total == pytest.approx(percent(page.locator("#probability").inner_text()), abs=0.015)

    def test_a_slider_moved_by_keys_changes_box_and_prediction(
        self, visit: Callable[..., Page], url: str
    ) -> None:
        """Arrow keys, Home and End move a slider; its box follows, and the newest values are asked about."""
        page = visit()
        slider = page.locator(f"#field-{NUMBER.name}-slider")
        slider.focus()
        for key, value in (
            ("Home", NUMBER.typical[0]),
            ("ArrowRight", NUMBER.typical[0] + NUMBER.step),
            ("End", NUMBER.typical[1]),
        ):
            slider.press(key)
            expect(page.locator(f"#field-{NUMBER.name}")).to_have_value(f"{value:g}")
            answer = ask(url, "predict", EXAMPLE | {NUMBER.name: value})["predictions"][0][
                "fail_probability"
            ]
            expect(page.locator("#probability")).to_have_text(
                re.compile(rf"^{round(100 * answer)}(\.\d)?%$|^{100 * answer:.1f}%$")
            )

    def test_a_category_is_chosen_by_keys(self, visit: Callable[..., Page]) -> None:
        """Categories are one group of buttons for the keyboard: an arrow key chooses, and the question holds the name."""
        page = visit()
        names = list(CATEGORY.codes)
        page.locator(f"#field-{CATEGORY.name}-{names[0]}").check(force=True)
        with page.expect_request(
            lambda request: "/predict" in request.url and names[1] in (request.post_data or "")
        ):
            page.locator(f"#field-{CATEGORY.name}-{names[0]}").press("ArrowRight")
        expect(page.locator(f"#field-{CATEGORY.name}-{names[1]}")).to_be_checked()

    def test_an_old_answer_never_overwrites_a_newer_one(self, visit: Callable[..., Page]) -> None:
        """An answer that comes after the answer to a later question is not drawn."""
        page = visit()
        late: list[Route] = []

        def hold(route: Route) -> None:
            if json.loads(route.request.post_data or "{}")[NUMBER.name] == NUMBER.typical[0]:
                late.append(route)
            else:
                route.fallback()

        page.route("**/predict?*", hold)
        box = page.locator(f"#field-{NUMBER.name}")
        with page.expect_request(lambda request: "/predict" in request.url):
            box.fill(f"{NUMBER.typical[0]:g}")
        with page.expect_response(lambda response: "/predict" in response.url):
            box.fill(f"{NUMBER.typical[1]:g}")
        value = (
            page.locator("#contributions tbody tr")
            .nth(FEATURE_NAMES.index(NUMBER.name))
            .locator("th .quiet")
        )
        expect(value).to_have_text(f"{NUMBER.typical[1]:g}")
        newest = page.locator("#probability").inner_text()
        with page.expect_response(lambda response: "/predict" in response.url):
            late[0].continue_()
        page.wait_for_load_state("networkidle")
        expect(value).to_have_text(f"{NUMBER.typical[1]:g}")
        assert page.locator("#probability").inner_text() == newest

    def test_a_refused_value_is_explained_beside_its_field(
        self, visit: Callable[..., Page]
    ) -> None:
        """The service's sentence stands at the field and is tied to it; no old figure is left; a good value mends both."""
        page = visit()
        box, error = (
            page.locator(f"#field-{NUMBER.name}"),
            page.locator(f"#field-{NUMBER.name}-error"),
        )
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

    def test_without_time_for_reasons_the_prediction_still_comes(
        self, visit: Callable[..., Page]
    ) -> None:
        """503 on an explanation: the page asks again without, says so, and shows the prediction."""
        page = visit(wait=False)
        problem = {
            "title": "Service Unavailable",
            "status": 503,
            "detail": "8 requests wait already",
            "errors": [],
        }
        page.route("**/predict?*explain*", lambda route: route.fulfill(status=503, json=problem))
        page.locator(f"#field-{NUMBER.name}").fill(f"{NUMBER.typical[1]:g}")
        expect(page.locator("#reason")).to_contain_text("8 requests wait already")
        expect(page.locator("#probability")).to_contain_text("%")
        expect(page.locator("#contributions")).to_be_hidden()

    def test_what_is_only_tried_is_no_live_traffic(
        self, visit: Callable[..., Page], url: str
    ) -> None:
        """Sliders and the made-up list are answered and not logged; a class list is logged, as any prediction."""

        def logged() -> float:
            text = urllib.request.urlopen(f"{url}/metrics", timeout=10).read().decode()
            found = re.findall(
                r"^predictor_log_rows_(?:written_total|waiting) (\S+)$", text, re.MULTILINE
            )
            assert len(found) == 2
            return sum(map(float, found))

        page = visit()
        before = logged()
        page.locator(f"#field-{NUMBER.name}-slider").press("End")
        page.locator("#demo").click()
        expect(page.locator("#result")).to_be_visible()
        assert logged() == before
        choose(page, text_of(class_list(6)))
        expect(page.locator("#ranking tbody tr")).to_have_count(6)
        assert logged() == before + 6

    def test_a_service_that_went_away_is_said_and_found_again(
        self, visit: Callable[..., Page]
    ) -> None:
        """No network: a sentence instead of a figure that looks fresh; the next change after it is back is answered."""
        page = visit()
        page.context.set_offline(True)
        box = page.locator(f"#field-{NUMBER.name}")
        box.fill(f"{NUMBER.typical[0]:g}")
        expect(page.locator("#refusal")).to_contain_text("cannot be reached")
        page.context.set_offline(False)
        box.fill(f"{NUMBER.typical[1]:g}")
        expect(page.locator("#refusal")).to_be_hidden()


class TestList:
    def test_a_list_is_ranked_and_names_stay_in_the_browser(
        self, visit: Callable[..., Page], url: str
    ) -> None:
        """The highest risk comes first; a column that the model does not know is shown but never sent."""
        page = visit()
        lines = class_list(30)
        # The browser tells its driver nothing of a body that is a Blob: what the page hands to fetch is looked at instead.
        page.evaluate(
            "() => { const real = window.fetch; window.sent = ''; window.fetch = async (path, options = {}) => {"
            " if (options.body instanceof Blob) window.sent += await options.body.text(); return real(path, options); }; }"
        )
        choose(page, text_of(lines))
        table = page.locator("#ranking tbody tr")
        expect(table).to_have_count(30)
        sent = page.evaluate("window.sent")
        assert sent.splitlines()[0] == ",".join(FEATURE_NAMES)
        assert "Pupil" not in sent
        rows = [dict(zip(FEATURE_NAMES, map(float, line[1:]), strict=True)) for line in lines[1:]]
        answers = [item["fail_probability"] for item in ask(url, "predict", rows)["predictions"]]
        best = max(range(30), key=lambda index: (answers[index], -index))
        expect(table.first).to_contain_text(lines[best + 1][0])
        shown = [percent(text) for text in page.locator(".risk-number").all_inner_texts()]
        assert shown == sorted(shown, reverse=True)
        atrisk = sum(
            item["label"] == LABEL.positive for item in ask(url, "predict", rows)["predictions"]
        )
        expect(page.locator("#summary")).to_contain_text(f"{atrisk} of 30")

    @pytest.mark.parametrize(
        "header", [FEATURE_NAMES, RAW_HEADER[:-1]], ids=["our names", "the survey's header"]
    )
    @pytest.mark.parametrize(
        ("delimiter", "encoding"), [(",", "utf-8-sig"), (";", "windows-1252"), ("\t", "utf-8")]
    )
    def test_files_as_spreadsheets_write_them(
        self, visit: Callable[..., Page], header: tuple[str, ...], delimiter: str, encoding: str
    ) -> None:
        """Both headers, three separators, a byte order mark, an older encoding, decimal commas."""
        page = visit()
        lines = class_list(3, header)
        lines[1][0] = "Zoë"
        if delimiter == ";":
            lines = [lines[0], *([cell.replace(".", ",") for cell in line] for line in lines[1:])]
        choose(page, text_of(lines, delimiter).decode().encode(encoding))
        expect(page.locator("#ranking tbody tr")).to_have_count(3)
        expect(page.locator("#ranking")).to_contain_text("Zoë")
        expect(page.locator("#unread")).to_be_hidden()

    def test_the_head_of_a_column_sorts(self, visit: Callable[..., Page]) -> None:
        """A click sorts by that column, a second one turns it round; the order is told to assistive technology."""
        page = visit()
        choose(page, text_of(class_list(30)))
        expect(page.locator("#ranking tbody tr")).to_have_count(30)
        head = page.locator("#ranking thead th", has_text=re.compile("^age$", re.IGNORECASE))
        column = page.locator("#ranking thead th").all_inner_texts().index(head.inner_text())
        for order in ("ascending", "descending"):
            head.get_by_role("button").click()
            expect(head).to_have_attribute("aria-sort", order)
            ages = [
                float(row.locator("td").nth(column).inner_text())
                for row in page.locator("#ranking tbody tr").all()
            ]
            assert ages == sorted(ages, reverse=order == "descending")
        expect(head.get_by_role("button")).to_be_focused()

    def test_the_ranked_list_is_downloaded(self, visit: Callable[..., Page]) -> None:
        """The download has every row by rank with its names, values and answer, and disarms what a sheet would run."""
        page = visit()
        lines = class_list(4)
        lines[1][0] = '=HYPERLINK("x")'
        lines[2][1] = "no number"
        choose(page, text_of(lines), "7b.csv")
        expect(page.locator("#result")).to_be_visible()
        with page.expect_download() as download:
            page.locator("#download").click()
        assert download.value.suggested_filename == "7b-ranked.csv"
        rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text("utf-8-sig"))))
        assert [row["rank"] for row in rows] == ["1", "2", "3", ""]
        assert {row["Who"] for row in rows} == {"'" + lines[1][0], "Pupil 1", "Pupil 2", "Pupil 3"}
        assert rows[-1]["error"]
        assert all(row["fail_probability"] for row in rows[:-1])

    def test_rows_that_cannot_be_read_are_listed_with_the_reason(
        self, visit: Callable[..., Page]
    ) -> None:
        """A bad cell costs its own row alone; the page says which row and why."""
        page = visit()
        lines = class_list(5)
        lines[3][1] = "many"
        choose(page, text_of(lines))
        expect(page.locator("#unread summary")).to_have_text("1 row could not be read")
        page.locator("#unread summary").click()
        expect(page.locator("#unread li")).to_contain_text(f"Row 3: {FEATURE_NAMES[0]}")
        expect(page.locator("#ranking tbody tr")).to_have_count(4)

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            (b"a,b\r\n1,2\r\n", "lacks the columns"),
            (b"", "holds no rows"),
            (text_of(class_list(0)), "holds no rows"),
        ],
        ids=["other columns", "empty", "header only"],
    )
    def test_a_file_that_is_no_list_is_refused(
        self, visit: Callable[..., Page], content: bytes, sentence: str
    ) -> None:
        """A sentence says what is missing; nothing is sent."""
        page = visit()
        page.on(
            "request",
            lambda request: pytest.fail("it was sent") if "predict/csv" in request.url else None,
        )
        choose(page, content)
        expect(page.locator("#list-problem")).to_contain_text(sentence)

    def test_a_file_is_dropped(self, visit: Callable[..., Page]) -> None:
        """Dropping a file on the field is the same as choosing it."""
        page = visit()
        content = text_of(class_list(6)).decode()
        transfer = page.evaluate_handle(
            "text => { const data = new DataTransfer(); data.items.add(new File([text], 'c.csv')); return data; }",
            content,
        )
        page.locator("#drop").dispatch_event("drop", {"dataTransfer": transfer})
        expect(page.locator("#ranking tbody tr")).to_have_count(6)

    def test_a_row_is_looked_into(self, visit: Callable[..., Page]) -> None:
        """`Why` puts a row of the list into the form, whose prediction is the row's."""
        page = visit()
        page.locator("#demo").click()
        first = page.locator("#ranking tbody tr").first
        shown = first.locator(".risk-number").inner_text()
        first.get_by_role("button").click()
        expect(page.locator("#probability")).to_have_text(shown)

    def test_a_long_list_is_shown_in_parts_and_can_be_narrowed(
        self, visit: Callable[..., Page]
    ) -> None:
        """Thousands of rows do not become thousands of table rows at once."""
        page = visit()
        choose(page, text_of(class_list(3_000)))
        rows = page.locator("#ranking tbody tr")
        expect(rows).to_have_count(50)
        page.locator("#more").click()
        expect(rows).to_have_count(100)
        page.locator("#only").check()
        expect(page.locator("#ranking tbody tr:not(.high)")).to_have_count(0)

    def test_csv_is_read_the_same_however_it_arrives(self, visit: Callable[..., Page]) -> None:
        """Quotes, doubled quotes, both line ends and blank lines, split at every place."""
        page = visit()
        text = 'a,"b, c","say ""so"""\r\n\r\n1,"two\nlines",\n"",x,3'
        rows = page.evaluate(
            """async (text) => {
                const { Reader } = await import("/page/csv.js");
                const read = (pieces) => {
                    const reader = new Reader();
                    return [...pieces.flatMap((piece) => reader.push(piece)), ...reader.end()];
                };
                return Array.from({ length: text.length + 1 }, (_, at) => read([text.slice(0, at), text.slice(at)]));
            }""",
            text,
        )
        expected = [["a", "b, c", 'say "so"'], ["1", "two\nlines", ""], ["", "x", "3"]]
        assert all(some == expected for some in rows)


class TestModel:
    def test_the_model_is_shown_as_it_is_answered(
        self, visit: Callable[..., Page], url: str
    ) -> None:
        """Version, since when, each measure with its interval and each gate with its verdict: what GET /model says."""
        page = visit()
        model = ask(url, "model")
        expect(page.locator("#serving")).to_contain_text(f"Version {model['version']}")
        expect(page.locator("#metrics li")).to_have_count(len(model["metrics"]))
        first = next(iter(model["metrics"].values()))
        for number in first.values():
            expect(page.locator("#metrics li").first).to_contain_text(f"{number:g}")
        expect(page.locator("#gates tr")).to_have_count(len(model["gates"]))
        expect(page.locator("#gates tr").first).to_contain_text("holds")
        expect(page.locator("#facts")).to_contain_text(model["lineage"]["bronze"][:12])

    def test_an_answer_of_another_model_renews_what_is_shown(
        self, visit: Callable[..., Page], url: str
    ) -> None:
        """When a prediction comes from a version that the page does not show, it asks for the new one's facts at once."""
        page = visit()
        newer = ask(url, "model") | {"version": "8"}
        answer = ask(url, "predict", EXAMPLE)
        answer["model"]["version"] = "8"
        page.route("**/model", lambda route: route.fulfill(json=newer))
        page.route("**/predict?*", lambda route: route.fulfill(json=answer))
        page.locator("#reset").click()
        expect(page.locator("#serving")).to_contain_text("Version 8")

    def test_no_model_yet_is_said(self, visit: Callable[..., Page]) -> None:
        """A predictor without a model: the page stands and says what the service says."""
        page = visit(wait=False)
        problem = {
            "title": "Service Unavailable",
            "status": 503,
            "detail": "No model yet: nothing registered",
            "errors": [],
        }
        page.route("**/model", lambda route: route.fulfill(status=503, json=problem))
        page.route("**/predict*", lambda route: route.fulfill(status=503, json=problem))
        page.reload()
        expect(page.locator("#model-problem")).to_contain_text("nothing registered")
        expect(page.locator("#refusal")).to_contain_text("nothing registered")


class TestForEverybody:
    @pytest.mark.parametrize(
        "options", [{}, {"color_scheme": "dark"}, PHONE], ids=["desktop", "dark", "phone"]
    )  # fmt: skip
    def test_no_rule_of_accessibility_is_broken(
        self, visit: Callable[..., Page], options: dict[str, Any]
    ) -> None:
        """axe-core finds nothing: labels, roles, contrast, order of heads; with a list and an error on the page."""
        page = visit(reduced_motion="reduce", **options)
        page.locator("#demo").click()
        expect(page.locator("#result")).to_be_visible()
        page.locator(f"#field-{NUMBER.name}").fill(f"{NUMBER.high + 1:g}")
        expect(page.locator(f"#field-{NUMBER.name}-error")).not_to_be_empty()
        found = Axe().run(page, options={"resultTypes": ["violations"]})
        assert found.violations_count == 0, found.generate_report()

    def test_everything_is_reached_by_keys(self, visit: Callable[..., Page]) -> None:
        """Tab alone comes to every control, in the order they are read, and each shows where it is."""
        page = visit()
        reached = []
        for _ in range(60):
            page.keyboard.press("Tab")
            reached.append(
                page.evaluate(
                    "document.activeElement.id || document.activeElement.textContent.trim()"
                )
            )
            if reached[-1] == "template":
                break
        sliders = [
            f"field-{feature.name}-slider" for feature in FEATURES if isinstance(feature, Number)
        ]
        assert reached[0].startswith("Skip")
        assert [
            name for name in reached if name in {*sliders, "reset", "file", "demo", "template"}
        ] == [
            *sliders,
            "reset",
            "file",
            "demo",
            "template",
        ]

    def test_on_a_phone_the_risk_stays_in_sight(self, visit: Callable[..., Page]) -> None:
        """Nothing is wider than the screen, and the figure is on it while the last slider is moved."""
        page = visit(**PHONE)
        page.locator("#demo").click()
        expect(page.locator("#result")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["viewport"]["width"]  # type: ignore[index]
        page.locator("#reset").scroll_into_view_if_needed()
        expect(page.locator("#probability")).to_be_in_viewport()

    def test_nothing_about_the_data_is_written_in_the_page(self) -> None:
        """Names, words and categories of the columns come from GET /columns: another data set needs no other page."""
        words = {FEATURES[0].raw, *FEATURE_NAMES, *RAW_HEADER} | {
            name for feature in FEATURES if isinstance(feature, Category) for name in feature.codes
        }
        short = {word for word in words if len(word) > 3}  # `no` and `age` are in many words
        for path in PAGE.iterdir():
            found = [
                word
                for word in short
                if re.search(rf"\b{re.escape(word)}\b", path.read_text(), re.IGNORECASE)
            ]
            assert found == [], path.name

    def test_the_policy_forbids_every_other_source(self, url: str) -> None:
        """Scripts and styles come from files of this origin, nothing inline, nothing from elsewhere."""
        with urllib.request.urlopen(url, timeout=10) as answer:
            policy, text = answer.headers["Content-Security-Policy"], answer.read().decode()
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert re.findall(r"<style|\son\w+=|\sstyle=|<script(?![^>]*\ssrc=)|https?://", text) == []


def test_files_are_asked_for_again_and_not_sent_again(url: str) -> None:
    """A new version of a file is seen at once, an old one costs no transfer; types are not guessed."""
    with urllib.request.urlopen(f"{url}/page/app.js", timeout=10) as answer:
        assert answer.headers["Cache-Control"] == "no-cache"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "javascript" in answer.headers["Content-Type"]
        tag = answer.headers["ETag"]
    with pytest.raises(urllib.error.HTTPError) as unchanged:
        urllib.request.urlopen(
            urllib.request.Request(f"{url}/page/app.js", headers={"If-None-Match": tag}), timeout=10
        )
    assert unchanged.value.code == 304
    unchanged.value.close()


def test_docs_need_no_internet(visit: Callable[..., Page]) -> None:
    """Swagger UI and the document come from the predictor alone: an operation unfolds, and running it answers."""
    page = visit(wait=False)
    page.goto(page.url + "docs")
    operation = page.locator(".opblock", has_text="/columns")
    operation.locator(".opblock-summary").click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table .response").first).to_contain_text("200")


def test_the_page_asks_for_the_api_key(visit: Callable[..., Page], tmp_path: Path) -> None:
    """Where predictions need a key, the page has a field for it, and keeps it for the tab."""
    with running(tmp_path, bundle(version="7", background=40), api_key="let-me-in") as guarded:
        page = visit(guarded, wait=False)
        expect(page.locator("#access")).to_be_visible()
        page.locator("#key").fill("let-me-in")
        page.locator("#key").press("Enter")
        expect(page.locator("#probability")).to_contain_text("%")
        expect(page.locator("#access")).to_be_hidden()
        page.reload()
        expect(page.locator("#probability")).to_contain_text("%")
