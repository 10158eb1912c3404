"""The page's list: files are read, ranked, explained, corrected and downloaded."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from pipeline.columns import FEATURE_NAMES, FEATURES, LABEL, RAW_HEADER, Category, Number
from tests.support.page import (
    PHONE,
    Visit,
    choose_file,
    class_list,
    predict,
    record_sent_lists,
    to_csv,
    to_probability,
)

AGE = next(feature for feature in FEATURES if isinstance(feature, Number) and feature.is_integer)
COURSE = next(feature for feature in FEATURES if isinstance(feature, Category))
BUSY = {"title": "Service Unavailable", "status": 503, "detail": "busy", "errors": []}
SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def rows_of(page: Page) -> list[list[str]]:
    """Texts of the table's cells, without open reasons."""
    rows: list[list[str]] = page.locator("#ranking tbody tr:not(.why-row)").evaluate_all(
        "(rows) => rows.map(({ cells }) => [...cells].map((cell) => cell.innerText))"
    )
    return rows


def download(page: Page) -> list[dict[str, str]]:
    """Download the list and return its rows."""
    with page.expect_download() as event:
        page.locator("#download").click()
    text = Path(event.value.path()).read_text("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def to_workbook(lines: list[list[str]]) -> bytes:
    """Return the lines as a workbook, with shared and inline strings as Excel and others write."""
    texts: list[str] = []

    def cell(text: str, place: str) -> str:
        if re.fullmatch(r"[\d.]+", text):
            return f'<c r="{place}"><v>{float(text)!r}</v></c>'
        if place.endswith("1"):
            return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'
        texts.append(text)
        return f'<c r="{place}" t="s"><v>{len(texts) - 1}</v></c>'

    rows = "".join(
        f'<row r="{number}">'
        + "".join(cell(text, f"{chr(65 + i)}{number}") for i, text in enumerate(line) if text)
        + "</row>"
        for number, line in enumerate(lines, 1)
    )
    strings = "".join(
        f"<si><r><t>{text[:1]}</t></r><r><t>{text[1:]}</t></r></si>" for text in texts
    )
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    files = {
        "xl/workbook.xml": f'<workbook xmlns="{SHEET}" xmlns:r="{relations}"><sheets>'
        '<sheet name="7b" sheetId="1" r:id="rId3"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": "<Relationships>"
        '<Relationship Id="rId1" Target="styles.xml"/>'
        '<Relationship Id="rId3" Target="worksheets/sheet9.xml"/></Relationships>',
        "xl/sharedStrings.xml": f'<sst xmlns="{SHEET}">{strings}</sst>',
        "xl/worksheets/sheet9.xml": f'<worksheet xmlns="{SHEET}"><sheetData>{rows}</sheetData>'
        "</worksheet>",
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, xml in files.items():
            archive.writestr(path, f'<?xml version="1.0" encoding="UTF-8"?>{xml}')
    return file.getvalue()


class TestRanking:
    def test_names_stay_in_the_browser(self, visit: Visit, url: str) -> None:
        """The highest risk comes first. A column that the model does not use is never sent."""
        page = visit()
        lines = class_list(30)
        record_sent_lists(page)
        choose_file(page, to_csv(lines))
        table = page.locator("#ranking tbody tr")
        expect(table).to_have_count(30)
        sent = page.evaluate("window.sent")
        assert sent.splitlines()[0] == ",".join(FEATURE_NAMES)
        assert "Student" not in sent
        rows = [dict(zip(FEATURE_NAMES, map(float, line[1:]), strict=True)) for line in lines[1:]]
        answers = predict(url, rows)
        first = max(range(30), key=lambda index: (answers[index]["probability"], -index))
        expect(table.first).to_contain_text(lines[first + 1][0])
        shown = [to_probability(text) for text in page.locator(".risk-number").all_inner_texts()]
        assert shown == sorted(shown, reverse=True)

    def test_the_summary_promises_no_more_than_the_probabilities(
        self, visit: Visit, url: str
    ) -> None:
        """It counts the marked rows and, of these, the expected positive ones: their sum."""
        page = visit()
        lines = class_list(30)
        choose_file(page, to_csv(lines))
        rows = [dict(zip(FEATURE_NAMES, map(float, line[1:]), strict=True)) for line in lines[1:]]
        marked = [answer for answer in predict(url, rows) if answer["label"] == LABEL.positive]
        expected = round(sum(answer["probability"] for answer in marked))
        assert expected > 1
        expect(page.locator("#summary")).to_have_text(
            f"{len(marked)} at risk; about {expected} of them are expected to fail"
        )
        expect(page.locator("#summary")).to_be_in_viewport()
        expect(page.locator("#ranking .flag")).to_have_count(len(marked))

    def test_the_bars_tell_the_riskiest_apart(self, visit: Visit) -> None:
        """The longest bar is the highest risk in the list; each bar is in proportion to it."""
        page = visit()
        choose_file(page, to_csv(class_list(30)))
        expect(page.locator("#ranking tbody tr")).to_have_count(30)
        highest = page.locator(".risk-number").first.inner_text()
        expect(page.locator("#scale")).to_contain_text(highest)
        widths = page.locator(".risk-bar span").evaluate_all(
            "(bars) => bars.map((bar) => parseFloat(bar.style.width))"
        )
        risks = [to_probability(text) for text in page.locator(".risk-number").all_inner_texts()]
        assert widths[0] == 100
        assert widths == pytest.approx([100 * risk / risks[0] for risk in risks], abs=1.5)

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
            cells = [row[column] for row in rows_of(page)]
            assert cells == sorted(cells, key=float, reverse=order == "descending")

    def test_a_long_list_is_shown_in_parts(self, visit: Visit) -> None:
        """The table has 50 rows until more are requested; a box hides those without the mark."""
        page = visit()
        choose_file(page, to_csv(class_list(3_000)))
        rows = page.locator("#ranking tbody tr")
        expect(rows).to_have_count(50)
        page.locator("#more").click()
        expect(rows).to_have_count(100)
        page.locator("#only").check()
        expect(page.locator("#ranking tbody tr:not(:has(.flag))")).to_have_count(0)

    def test_a_busy_predictor_is_asked_again(self, visit: Visit) -> None:
        """After 503 the page says that it waits, and sends the same list again."""
        page = visit()
        page.route("**/predict/csv*", lambda route: route.fulfill(status=503, json=BUSY))
        choose_file(page, to_csv(class_list(6)))
        expect(page.locator("#progress-text")).to_contain_text("Trying again")
        page.unroute("**/predict/csv*")
        expect(page.locator("#ranking tbody tr")).to_have_count(6)
        expect(page.locator("#progress")).to_be_hidden()

    def test_a_broken_response_is_reported(self, visit: Visit) -> None:
        """If the predictor returns fewer rows than it got, there is no ranking of some of them."""
        page = visit()
        page.route(
            "**/predict/csv*",
            lambda route: route.fulfill(body="label,probability\r\npass,0.1\r\n"),
        )
        choose_file(page, to_csv(class_list(6)))
        expect(page.locator("#list-problem")).to_contain_text("returned only 1 of 6 rows")
        expect(page.locator("#result")).to_be_hidden()


class TestStorage:
    @pytest.mark.parametrize(
        ("rate", "days", "sentence"),
        [
            (1, 90, "Stored values are deleted after 90 days."),
            (1, None, "Stored values have no expiry date"),
            (0, 90, "The predictor stores nothing of a list."),
        ],
    )
    def test_the_page_says_what_is_stored_and_for_how_long(
        self, visit: Visit, url: str, rate: float, days: int | None, sentence: str
    ) -> None:
        """The settings of the predictor decide; the choice is offered if anything is stored."""
        page = visit()
        columns = httpx.get(f"{url}/columns").json()
        columns["live_traffic"] |= {"sample_rate": rate, "retention_days": days}
        page.route("**/columns", lambda route: route.fulfill(json=columns))
        page.reload()
        expect(page.locator("#kept")).to_contain_text(sentence)
        expect(page.locator("#private")).to_be_visible(visible=rate > 0)


class TestReasons:
    def test_they_open_under_the_row_and_keep_the_name(self, visit: Visit) -> None:
        """`Why` shows the reasons below its row; the form keeps the name and leads back."""
        page = visit()
        lines = class_list(12)
        choose_file(
            page, to_csv([["Id", *lines[0]], *([f"S{i}", *x] for i, x in enumerate(lines[1:]))])
        )
        row = page.locator("#ranking tbody tr").nth(2)
        name = row.locator(".name").inner_text()
        shown = row.locator(".risk-number").inner_text()
        assert re.fullmatch(r"S\d+, Student \d+", name)
        why = row.get_by_role("button", name=f"Why: {name}")
        why.click()
        panel = row.locator("+ tr #why-panel")
        expect(panel.locator("h3")).to_have_text(f"{name}: {shown}")
        expect(panel.locator("table tbody tr")).to_have_count(len(FEATURES))
        expect(why).to_be_focused()
        expect(why).to_have_attribute("aria-expanded", "true")
        panel.get_by_role("button", name="Try other values").click()
        expect(page.locator("#one-title")).to_have_text(f"What if: {name}")
        expect(page.locator("#probability")).to_have_text(shown)
        page.get_by_role("button", name="Back to the list").click()
        expect(why).to_be_focused()
        expect(why).to_be_in_viewport()
        page.keyboard.press("Escape")
        expect(panel).to_have_count(0)
        expect(why).to_be_focused()

    @pytest.mark.parametrize(
        "options", [{"viewport": {"width": 1280, "height": 900}}, PHONE], ids=["1280", "phone"]
    )
    def test_why_is_visible_without_scrolling_sideways(
        self, visit: Visit, options: dict[str, Any]
    ) -> None:
        """With three further columns, name, risk and `Why` are within the table's window."""
        page = visit(**options)
        lines = class_list(6)
        choose_file(
            page,
            to_csv([[*line, f"class {i}", "a long remark " * 3] for i, line in enumerate(lines)]),
        )
        expect(page.locator("#ranking tbody tr")).to_have_count(6)
        window = page.locator(".scroll:has(#ranking)").bounding_box()
        assert window
        for part in (".name", ".risk-cell", ".why button"):
            box = page.locator("#ranking tbody tr").first.locator(part).bounding_box()
            assert box
            assert box["x"] >= window["x"]
            assert box["x"] + box["width"] <= window["x"] + window["width"]

    def test_many_values_outside_the_training_data_are_cut_off(self, visit: Visit) -> None:
        """The summary names the first rows only."""
        page = visit()
        lines = class_list(8)
        for line in lines[1:]:
            line[1] = "99"
        choose_file(page, to_csv(lines))
        expect(page.locator("#summary-detail")).to_have_text(re.compile(r"; …$"))

    def test_values_outside_the_training_data_are_marked(self, visit: Visit, url: str) -> None:
        """The list has a flag, and the reasons and the download say which value is outside."""
        page = visit()
        low, high = httpx.get(f"{url}/model").json()["learned_from"][AGE.name]
        lines = class_list(6)
        lines[3][1] = f"{high + 20:g}"
        choose_file(page, to_csv(lines))
        flagged = page.locator("#ranking tbody tr:has(.outside)")
        expect(flagged).to_have_count(1)
        expect(flagged).to_contain_text(lines[3][0])
        expect(page.locator("#summary-detail")).to_contain_text(
            f"1 has a value that the model did not learn from: {lines[3][0]}."
        )
        flagged.get_by_role("button").click()
        expected = f"is {high + 20:g}, but the model learned only from {low:g} to {high:g}"
        expect(page.locator("#why-panel .warning")).to_contain_text(expected)
        warnings = {row["Who"]: row["warning"] for row in download(page)}
        assert expected in warnings.pop(lines[3][0])
        assert set(warnings.values()) == {""}


class TestFiles:
    @pytest.mark.parametrize(
        ("header", "delimiter", "encoding"),
        [
            (FEATURE_NAMES, ",", "utf-8-sig"),
            (RAW_HEADER[:-1], ";", "windows-1252"),
            (FEATURE_NAMES, "\t", "utf-16"),
            (FEATURE_NAMES, "xlsx", ""),
        ],
    )
    def test_files_of_spreadsheets_are_read(
        self, visit: Visit, header: tuple[str, ...], delimiter: str, encoding: str
    ) -> None:
        """CSV in three encodings with decimal commas, `Unicode text`, and Excel workbooks."""
        page = visit()
        lines = class_list(3, header)
        lines[1][0] = "Zoë"
        if delimiter == ";":
            lines = [lines[0], *([cell.replace(".", ",") for cell in line] for line in lines[1:])]
        if delimiter == "xlsx":
            lines = [
                [*line, remark] for line, remark in zip(lines, ("Remark", "x", "", ""), strict=True)
            ]
            choose_file(page, to_workbook(lines), "class.xlsx")
        else:
            choose_file(page, to_csv(lines, delimiter).decode().encode(encoding))
        expect(page.locator("#ranking tbody tr")).to_have_count(3)
        expect(page.locator("#ranking")).to_contain_text("Zoë")
        expect(page.locator("#unread")).to_be_hidden()

    def test_a_file_that_cannot_be_read_is_named_and_not_sent(self, visit: Visit) -> None:
        """The message says what is wrong, and the predictor receives nothing."""
        page = visit()
        page.on(
            "request",
            lambda request: pytest.fail("it was sent") if "predict/csv" in request.url else None,
        )
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as opened:
            opened.writestr("content.xml", "<office/>")
        for content, message in (
            (b"a,b\r\n1,2\r\n", "These columns are missing"),
            (b"", "has no rows"),
            (to_csv(class_list(0)), "has no rows"),
            (
                b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
                "(.xls), or one with a password. Save it as “CSV UTF-8”",
            ),
            (archive.getvalue(), "not an Excel workbook"),
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

    def test_the_template_says_what_cells_may_hold_and_can_be_sent_back(self, visit: Visit) -> None:
        """It has a column for names, every category, and a sentence for each column."""
        page = visit()
        with page.expect_download() as event:
            page.locator("#template").click()
        content = Path(event.value.path()).read_bytes()
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
        assert list(rows[0]) == ["name", *FEATURE_NAMES, "help"]
        assert {row[COURSE.name] for row in rows} == set(COURSE.codes)
        assert f"{AGE.name}: a whole number from {AGE.low:g} to {AGE.high:g}" in [
            row["help"] for row in rows
        ]
        choose_file(page, content)
        expect(page.locator("#ranking tbody tr")).to_have_count(len(rows))
        expect(page.locator("#unread")).to_be_hidden()
        expect(page.locator("#ranking thead")).not_to_contain_text("help")

    def test_csv_does_not_depend_on_chunks(self, visit: Visit) -> None:
        """Quotes, both line ends and blank lines are read the same, wherever a chunk ends."""
        page = visit()
        text = 'a,"b, c","say ""so"""\r\n\r\n1,"two\nlines",\n"",x,3'
        results = page.evaluate(
            """async (text) => {
                const { Reader } = await import("/page/csv.js");
                const read = (chunks) => {
                    const reader = new Reader(",");
                    const rows = chunks.flatMap((chunk) => reader.push(chunk));
                    rows.push(...reader.end());
                    return rows.map(({ line, cells }) => [line, ...cells]);
                };
                return Array.from({ length: text.length + 1 }, (_, split) =>
                    read([text.slice(0, split), text.slice(split)]));
            }""",
            text,
        )
        expected = [[1, "a", "b, c", 'say "so"'], [3, "1", "two\nlines", ""], [4, "", "x", "3"]]
        assert all(rows == expected for rows in results)


class TestInvalidRows:
    def test_they_are_named_and_can_be_corrected(self, visit: Visit) -> None:
        """The page names line, person and reason, and predicts the row with the corrected cell."""
        page = visit()
        lines = [
            ["Id", *class_list(0)[0]],
            *([f"S{i}", *x] for i, x in enumerate(class_list(6)[1:])),
        ]
        lines[2][2], lines[4][3] = "many", ""
        choose_file(page, to_csv(lines))
        expect(page.locator("#ranking tbody tr")).to_have_count(4)
        expect(page.locator("#unread summary")).to_have_text("2 rows could not be read")
        first, second = page.locator("#mend-rows li").all()
        expect(first).to_contain_text(
            f"line 3 (S1, Student 1): {AGE.name} must be a whole number "
            f"from {AGE.low:g} to {AGE.high:g}, not “many”"
        )
        expect(second).to_contain_text(f"line 5 (S3, Student 3): {COURSE.name} is missing")
        first.get_by_role("textbox").fill(f"{AGE.high + 1:g}")
        second.get_by_role("combobox").select_option(COURSE.example)
        page.locator("#mend-submit").click()
        expect(page.locator("#ranking tbody tr")).to_have_count(5)
        expect(page.locator("#mend-rows li")).to_have_count(1)
        expect(page.locator("#mend-rows")).to_contain_text(f"not “{AGE.high + 1:g}”")
        page.locator("#mend-rows").get_by_role("textbox").fill(f"{AGE.example:g}")
        page.keyboard.press("Enter")
        expect(page.locator("#ranking tbody tr")).to_have_count(6)
        expect(page.locator("#unread")).to_be_hidden()

    def test_an_unclosed_quote_costs_one_row(self, visit: Visit) -> None:
        """The rows after it are predicted, and the page says what is wrong with its own."""
        page = visit()
        lines = to_csv(class_list(4)).decode().splitlines()
        lines[2] = f'"{lines[2]}'
        choose_file(page, "\r\n".join(lines).encode())
        expect(page.locator("#ranking tbody tr")).to_have_count(3)
        expect(page.locator("#mend-rows")).to_have_text(
            "line 3 (Student 1): a quote is never closed"
        )


class TestDownload:
    def test_it_has_every_row_without_formulas(self, visit: Visit) -> None:
        """A row that could not be read comes last, with its error."""
        page = visit()
        lines = class_list(4)
        lines[1][0] = '=HYPERLINK("x")'
        lines[2][1] = "many"
        choose_file(page, to_csv(lines), "7b.csv")
        expect(page.locator("#ranking tbody tr")).to_have_count(3)
        with page.expect_download() as event:
            page.locator("#download").click()
        assert event.value.suggested_filename == "7b-ranked.csv"
        rows = download(page)
        assert [row["rank"] for row in rows] == ["1", "2", "3", ""]
        assert {row["Who"] for row in rows} == {f"'{lines[1][0]}", *(line[0] for line in lines[2:])}
        assert rows[-1]["error"]
        assert all(row["probability"] for row in rows[:-1])
        assert {row["label"] for row in rows[:-1]} <= {LABEL.positive, LABEL.negative}

    def test_it_follows_filter_and_order_and_can_be_read_again(self, visit: Visit) -> None:
        """The rows are those of the table in its order; reading them again doubles no column."""
        page = visit()
        choose_file(page, to_csv(class_list(30)))
        expect(page.locator("#ranking tbody tr")).to_have_count(30)
        page.locator("#sort-name").click()
        page.locator("#sort-name").click()
        page.locator("#only").check()
        names = [row[1] for row in rows_of(page)]
        assert names == sorted(names, key=lambda name: int(name.split()[1]), reverse=True)
        assert 1 < len(names) < 30
        rows = download(page)
        assert [row["Who"] for row in rows] == names
        heads = page.locator("#ranking thead th").all_inner_texts()
        choose_file(page, to_csv([list(rows[0]), *(list(row.values()) for row in rows)]))
        expect(page.locator("#ranking tbody tr")).to_have_count(len(names))
        assert [
            head.strip(" ↑↓") for head in page.locator("#ranking thead th").all_inner_texts()
        ] == [head.strip(" ↑↓") for head in heads]
