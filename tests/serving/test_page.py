"""The page at `/`, in a real browser with a real predictor."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped] # has no types
from playwright.sync_api import Page, Route, expect

from pipeline.columns import FEATURE_NAMES, FEATURES, LABEL, RAW_HEADER, Category, Number
from pipeline.storage.layout import STOP_MARKER
from pipeline.tracking.stop_marker import Stop
from tests.support.forest import make_bundle
from tests.support.page import (
    PHONE,
    Visit,
    choose_file,
    class_list,
    predict,
    to_csv,
    to_number,
    to_probability,
)
from tests.support.predictor import open_disk_lake, serve_bundle, wait_for

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


class TestWhatIf:
    def test_the_example_is_predicted_and_explained(self, visit: Visit, url: str) -> None:
        """The page opens with the API's prediction for the example; its contributions add up."""
        page = visit()
        (answer,) = predict(url, EXAMPLE)
        shown = to_probability(page.locator("#probability").inner_text())
        assert shown == pytest.approx(answer["probability"], abs=0.006)
        verdict = LABEL.get_title(answer["label"] == LABEL.positive)
        expect(page.locator("#verdict")).to_have_text(verdict)
        points = page.locator("#why tbody td.number").all_inner_texts()
        assert len(points) == len(FEATURES)
        base = to_probability(page.locator("#why tfoot .number").first.inner_text())
        total = base + sum(map(to_number, points)) / 100
        assert total == pytest.approx(shown, abs=0.015)

    def test_the_api_words_the_risk_as_the_page_does(self, visit: Visit, url: str) -> None:
        """For values that the model learned from, and for others."""
        page = visit()
        low, high = NUMBER.typical
        for value in (low, high, NUMBER.high):
            page.locator(f"#field-{NUMBER.name}").fill(f"{value:g}")
            row = EXAMPLE | {NUMBER.name: value}
            response = httpx.post(f"{url}/predict?explain=true", json=row, timeout=30)
            (answer,) = response.json()["predictions"]
            expect(page.locator("#comparison")).to_contain_text(answer["risk"])

    @pytest.mark.parametrize(("locale", "unsure"), [("en", "unsure"), ("fr", "incertain")])
    def test_an_unsure_answer_is_shown_as_such(
        self, visit: Visit, url: str, locale: str, unsure: str
    ) -> None:
        """`Why` counts the refits that agree, and a threshold below the average is mentioned."""
        page = visit(locale=locale)
        model = httpx.get(f"{url}/model").json() | {"refits": 20, "flagged_below_rate": 0.205}
        answer = httpx.post(f"{url}/predict?explain=true", json=EXAMPLE).json()
        prediction = answer["predictions"][0]
        prediction |= {"label": LABEL.positive, "probability": 0.001}
        page.route("**/model", lambda route: route.fulfill(json=model))
        page.route("**/predict?*", lambda route: route.fulfill(json=answer))
        page.reload()
        for stability, is_unsure in ((0.65, True), (1.0, False)):
            prediction |= {"stability": stability, "unsure": is_unsure}
            page.locator("#reset").click()
            expect(page.locator("#why .stability")).to_contain_text(
                re.compile(rf"^{20 * stability:g} .*\b20\b")
            )
            for shown in ("#verdict", "#why .stability"):
                contains = expect(page.locator(shown))
                check = contains.to_contain_text if is_unsure else contains.not_to_contain_text
                check(unsure)
        words = {
            "en": ("The threshold is below the average risk.", "21% of those with the mark"),
            "fr": ("Le seuil est inférieur au risque moyen.", "de ceux qui portent la marque"),
        }
        below, trust = words[locale]
        expect(page.locator("#comparison")).to_contain_text(below)
        expect(page.locator("#trust")).to_contain_text(trust)

    def test_the_keyboard_moves_a_slider(self, visit: Visit, url: str) -> None:
        """Home, arrow keys and End move a slider; its box and the prediction follow."""
        page = visit()
        slider = page.locator(f"#field-{NUMBER.name}-slider")
        low, high = NUMBER.typical
        for key, value in (("Home", low), ("ArrowRight", low + NUMBER.step), ("End", high)):
            slider.press(key)
            expect(page.locator(f"#field-{NUMBER.name}")).to_have_value(f"{value:g}")
            (answer,) = predict(url, EXAMPLE | {NUMBER.name: value})
            percent = 100 * answer["probability"]
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
        row = page.locator("#why tbody tr").nth(FEATURE_NAMES.index(NUMBER.name))
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
        """The error is the page's sentence, tied to the field, in place of a prediction."""
        page = visit()
        box = page.locator(f"#field-{NUMBER.name}")
        error = page.locator(f"#field-{NUMBER.name}-error")
        title = NUMBER.name.replace("_", " ").capitalize()
        box.fill(f"{NUMBER.high + 1:g}")
        expect(error).to_have_text(
            f"{title} must be a number from {NUMBER.low:g} to {NUMBER.high:g}, "
            f"not “{NUMBER.high + 1:g}”"
        )
        expect(box).to_have_attribute("aria-invalid", "true")
        assert f"field-{NUMBER.name}-error" in (box.get_attribute("aria-describedby") or "")
        expect(page.locator("#probability")).to_have_text("\N{EN DASH}")
        box.fill("")
        expect(error).to_have_text(f"{title} is missing")
        box.fill(f"{NUMBER.example:g}")
        expect(error).to_be_empty()
        expect(page.locator("#probability")).to_contain_text("%")

    def test_a_value_outside_the_training_data_has_a_warning(self, visit: Visit, url: str) -> None:
        """The warning is at the field and says what the model learned from."""
        page = visit()
        low, high = httpx.get(f"{url}/model").json()["learned_from"][NUMBER.name]
        assert high < NUMBER.high
        box = page.locator(f"#field-{NUMBER.name}")
        warning = page.locator(f"#field-{NUMBER.name}-warning")
        expect(warning).to_be_empty()
        box.fill(f"{NUMBER.high:g}")
        expect(warning).to_contain_text(
            f"is {NUMBER.high:g}, but the model learned only from {low:g} to {high:g}"
        )
        expect(page.locator("#probability")).to_contain_text("%")
        expect(page.locator("#comparison")).to_have_text(
            "The model did not learn from such values, so this risk says little."
        )
        box.fill(f"{NUMBER.example:g}")
        expect(warning).to_be_empty()
        expect(page.locator("#comparison")).to_contain_text("students with such values")

    def test_a_busy_predictor_still_predicts_without_explanation(self, visit: Visit) -> None:
        """After 503 for an explanation, the page requests the prediction without one."""
        page = visit(wait=False)
        page.route("**/predict?*explain*", lambda route: route.fulfill(status=503, json=BUSY))
        page.locator(f"#field-{NUMBER.name}").fill(f"{NUMBER.typical[1]:g}")
        expect(page.locator("#why")).to_contain_text(str(BUSY["detail"]))
        expect(page.locator("#probability")).to_contain_text("%")
        expect(page.locator("#why table")).to_be_hidden()

    def test_a_slow_explanation_does_not_hold_up_the_prediction(self, visit: Visit) -> None:
        """If there is no explanation in time, the page shows the prediction without one."""
        page = visit()
        page.add_init_script(
            """const timeout = AbortSignal.timeout.bind(AbortSignal);
            AbortSignal.timeout = () => timeout(3_000);"""
        )
        page.route("**/predict?*explain*", lambda _: None)  # never responds
        page.reload()
        expect(page.locator("#probability")).to_contain_text("%")
        expect(page.locator("#why")).to_contain_text("did not respond in time")

    def test_a_model_without_explanations_needs_one_request_per_move(self, visit: Visit) -> None:
        """The page remembers that a model has no explanations, and no longer asks for them."""
        page = visit()
        problem = BUSY | {"status": 422, "detail": "the model has too many features"}
        page.route("**/predict?*explain*", lambda route: route.fulfill(status=422, json=problem))
        sent: list[str] = []
        slider = page.locator(f"#field-{NUMBER.name}-slider")
        slider.press("Home")
        expect(page.locator("#why")).to_contain_text("too many features")
        page.on("request", lambda request: sent.append(request.url))
        with page.expect_response("**/predict?*"):
            slider.press("End")
        expect(page.locator("#why")).to_contain_text("too many features")
        page.wait_for_load_state("networkidle")
        assert [url for url in sent if "/predict" in url] == [f"{page.url}predict?log=false"]

    def test_a_mark_near_the_average_is_not_shown_as_high(self, visit: Visit) -> None:
        """Only twice the average risk is red, and no sentence calls anybody `fail`."""
        page = visit()
        model = httpx.get(f"{page.url}model").json()
        average = model.get("positive_rate") or LABEL.rate
        prediction = {"label": LABEL.positive, "probability": 0.0}
        answer = {
            "predictions": [prediction],
            "threshold": 0.03,
            "model": {name: model[name] for name in ("name", "version", "run_id")},
        }
        page.route("**/predict?*", lambda route: route.fulfill(json=answer))
        for p, tone in ((average - 0.01, "mid"), (average + 0.01, "mid"), (2 * average, "high")):
            prediction["probability"] = p
            page.locator("#reset").click()
            expect(page.locator("#risk")).to_have_attribute("data-risk", tone)
            expect(page.locator("#comparison")).to_contain_text(
                f"About 1 in {round(1 / p)} students with such values fail"
            )
            assert f"“{LABEL.positive}”" not in page.locator("#risk").inner_text()

    def test_sentences_name_the_outcome_of_data_without_a_verb(self, visit: Visit) -> None:
        """Only a verb makes "1 in 9 fail"; otherwise the outcome is quoted."""
        page = visit()
        sentence = page.evaluate(
            """async () => {
                const { Risk } = await import("/page/risk.js");
                const label = { positive: "malignant", rate: 0.3 };
                const risk = new Risk({ subjects: "tumours", label });
                return risk.describe({ p: 0.11, label: "benign" });
            }"""
        )
        assert sentence == (
            "About 1 in 9 tumours with such values have the outcome “malignant”; "
            "on average, 3 in 10 do."
        )

    def test_only_a_class_list_is_live_traffic(self, visit: Visit, url: str) -> None:
        """The predictor logs a class list, unless the visitor objects, and nothing else."""

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
        page.locator("#private").check()
        choose_file(page, to_csv(class_list(5)))
        expect(page.locator("#ranking tbody tr")).to_have_count(5)
        page.locator("#ranking .why button").first.click()
        expect(page.locator("#why-panel table")).to_be_visible()
        assert logged_rows() == before
        page.locator("#private").uncheck()
        choose_file(page, to_csv(class_list(6)))
        expect(page.locator("#ranking tbody tr")).to_have_count(6)
        assert logged_rows() == before + 6

    def test_an_unreachable_predictor_is_reported(self, visit: Visit) -> None:
        """Without a network the page shows an error, and predicts when the network is back."""
        page = visit()
        box = page.locator(f"#field-{NUMBER.name}")
        page.context.set_offline(True)
        box.fill(f"{NUMBER.typical[0]:g}")
        expect(page.locator("#refusal")).to_contain_text("retries automatically")
        page.context.set_offline(False)
        expect(page.locator("#refusal")).to_be_hidden()


class TestModel:
    def test_the_model_in_use_is_shown(self, visit: Visit, url: str) -> None:
        """Version, metrics with their cautions, gates and lineage are those of GET /model."""
        page = visit()
        model = httpx.get(f"{url}/model").json()
        page.locator("#specialists summary").click()
        expect(page.locator("#serving")).to_contain_text(f"Version {model['version']}")
        expect(page.locator("#metrics li")).to_have_count(len(model["metrics"]))
        for number in next(iter(model["metrics"].values())).values():
            expect(page.locator("#metrics li").first).to_contain_text(f"{number:g}")
        (caution,) = model["cautions"]
        expect(page.locator("#cautions li")).to_have_text(f"{caution}.")
        expect(page.locator("#gates tr")).to_have_count(len(model["gates"]))
        gate = page.locator("#gates tr").first
        expect(gate).to_contain_text("passed")
        expect(gate).to_contain_text(model["gates"][0]["reason"])
        expect(page.locator("#facts")).to_contain_text(model["lineage"]["bronze"][:12])

    def test_it_is_described_in_plain_words_with_links_to_the_reports(self, visit: Visit) -> None:
        """Jargon is folded. The reports are one click away."""
        page = visit()
        trust = page.locator("#trust")
        expect(trust).to_contain_text("students fail")
        precision = httpx.get(f"{page.url}model").json()["precision"]
        expect(trust).to_contain_text(f"mark “at risk”, about 1 in {round(1 / precision)}")
        expect(page.locator("#facts")).to_be_hidden()
        expect(page.locator("#metrics")).to_be_hidden()
        links = page.locator("#model .links a").evaluate_all("(all) => all.map(({href}) => href)")
        assert links == [f"{page.url}reports/{name}" for name in ("card", "data", "gates", "drift")]
        for link in links:
            response = httpx.get(link, follow_redirects=True, headers={"Accept": "text/html"})
            assert response.headers["Content-Type"].startswith("text/html")

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
        """With a list, its reasons, invalid rows and open details, no rule of axe is violated."""
        page = visit(reduced_motion="reduce", **options)
        lines = class_list(6)
        lines[2][1], lines[3][2] = "many", ""
        choose_file(page, to_csv(lines))
        expect(page.locator("#mend-rows li")).to_have_count(2)
        page.locator("#ranking .why button").first.click()
        expect(page.locator("#why-panel table")).to_be_visible()
        page.locator("#allowed summary").click()
        page.locator("#specialists summary").click()
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
        expected = ["language", *sliders, "reset", "file", "private", "demo", "template"]
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
    for path in filter(Path.is_file, PAGE.rglob("*")):
        text = path.read_text().replace('"Relationship"', "")  # an element of Excel's XML
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


def test_the_page_shows_a_stop(visit: Visit, tmp_path: Path) -> None:
    """It says who stopped the answers and why, and predicts again once they are resumed."""
    with serve_bundle(
        tmp_path, make_bundle(background_rows=40), stop_poll_interval_seconds="0.1"
    ) as url:
        lake = open_disk_lake(tmp_path)
        at = "2026-11-26T18:00:00+00:00"
        lake.write_model(STOP_MARKER, Stop(by="Ada", at=at, reason="it is <wrong>"))
        wait_for(lambda: httpx.get(f"{url}/readyz").json() == {"status": "stopped"})
        page: Page = visit(url, wait=False)
        expect(page.locator("#stopped")).to_contain_text("Ada stopped all answers on")
        expect(page.locator("#stopped")).to_contain_text("it is <wrong>")
        lake.delete(STOP_MARKER)
        expect(page.locator("#stopped")).to_be_hidden()
        expect(page.locator("#probability")).to_contain_text("%")
