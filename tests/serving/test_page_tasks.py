"""What a teacher does with a list of 200, each task in a stated number of actions.

An action is a click, a key, a filled field or a chosen file. A click on something that is not in
the window costs one more, for scrolling to it.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from pipeline.columns import FEATURE_NAMES, FEATURES, Category, Number
from tests.support.accessibility import check_accessibility
from tests.support.page import PHONE, Visit, choose_file, class_list, predict, to_csv

SCREENS: dict[str, dict[str, Any]] = {
    "1280x900": {"viewport": {"width": 1280, "height": 900}},
    "768x1024": {"viewport": {"width": 768, "height": 1024}, "has_touch": True},
    "390x844": PHONE,
}
AGE = next(feature for feature in FEATURES if isinstance(feature, Number))
COURSE = next(feature for feature in FEATURES if isinstance(feature, Category))
NUMBER = next(
    feature for feature in FEATURES if isinstance(feature, Number) and not feature.is_integer
)
BAD_ROWS = (6, 9)
IS_VISIBLE = """(element) => {
    const { top, bottom, left, right } = element.getBoundingClientRect();
    return top >= 0 && left >= 0 && bottom <= innerHeight && right <= innerWidth;
}"""


class Teacher:
    """Uses the page with the pointer and counts the actions."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.actions = 0

    def click(self, target: Locator) -> None:
        self.actions += 1 if target.evaluate(IS_VISIBLE) else 2
        target.click()

    def fill(self, target: Locator, text: str) -> None:
        self.click(target)
        self.actions += 1
        if target.evaluate("({ tagName }) => tagName") == "SELECT":
            target.select_option(text)
        else:
            target.fill(text)

    def take_actions(self) -> int:
        """Return the number of actions since the last call."""
        actions, self.actions = self.actions, 0
        return actions


class KeyboardTeacher(Teacher):
    """Uses the page with the keyboard."""

    def press(self, key: str) -> None:
        self.actions += 1
        self.page.keyboard.press(key)

    def reach(self, target: Locator, key: str = "Tab") -> None:
        """Press a key until the target has the focus."""
        for _ in range(60):
            if target.evaluate("(element) => element === document.activeElement"):
                return
            self.press(key)
        pytest.fail(f"{target} cannot be reached with {key}")

    def click(self, target: Locator, key: str = "Tab") -> None:
        self.reach(target, key)
        self.press("Enter")

    def fill(self, target: Locator, text: str) -> None:
        self.reach(target)
        self.actions += 1
        self.page.keyboard.type(text)


@pytest.fixture(scope="module")
def lines() -> list[list[str]]:
    """A list of 200 with an id, a name and a class; two of its rows cannot be read."""
    header, *rows = class_list(200)
    named = [[f"S{1001 + i}", *row, "7b"] for i, row in enumerate(rows)]
    named[BAD_ROWS[0]][2], named[BAD_ROWS[1]][3] = "many", ""
    return [["Id", *header, "Class"], *named]


@pytest.fixture(scope="module")
def riskiest(lines: list[list[str]], url: str) -> str:
    """Id of the row with the highest probability."""
    rows = [line for i, line in enumerate(lines[1:]) if i not in BAD_ROWS]
    answers = predict(
        url, [dict(zip(FEATURE_NAMES, map(float, row[2:7]), strict=True)) for row in rows]
    )
    best = max(range(len(rows)), key=lambda i: (answers[i]["probability"], -i))
    return rows[best][0]


def download(teacher: Teacher) -> list[dict[str, str]]:
    with teacher.page.expect_download() as event:
        teacher.click(teacher.page.locator("#download"))
    text = Path(event.value.path()).read_text("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("screen", SCREENS)
def test_with_the_pointer(visit: Visit, lines: list[list[str]], riskiest: str, screen: str) -> None:
    """(a) whom to see first 1, (b) why 1, (c) what would change 3, (d) correct 5, (e) download 1.

    (a) is the choice of the file: the result comes into the window. The way back from (c) is 1.
    On a phone, opening the rows that could not be read costs one more in (d).
    """
    page = visit(reduced_motion="reduce", color_scheme="light", **SCREENS[screen])
    teacher = Teacher(page)

    choose_file(page, to_csv(lines))
    first = page.locator("#ranking tbody tr").first
    expect(first).to_contain_text(riskiest)
    assert first.locator(".name").evaluate(IS_VISIBLE)

    teacher.click(first.get_by_role("button"))
    panel = page.locator("#why-panel")
    expect(panel.locator("tbody tr")).to_have_count(len(FEATURES))
    assert panel.locator("h3").evaluate(IS_VISIBLE)
    assert teacher.take_actions() <= 1
    check_accessibility(page)

    teacher.click(panel.get_by_role("button").first)
    expect(page.locator("#one-title")).to_contain_text(riskiest)
    shown = page.locator("#probability").inner_text()
    assert page.locator("#probability").evaluate(IS_VISIBLE)
    slider = page.locator(f"#field-{NUMBER.name}-slider")
    teacher.actions += 1 if slider.evaluate(IS_VISIBLE) else 2
    slider.fill(f"{NUMBER.typical[0]:g}")
    expect(page.locator("#probability")).not_to_have_text(shown)
    assert page.locator("#probability").evaluate(IS_VISIBLE)
    assert teacher.take_actions() <= 3
    teacher.click(page.locator("#back"))
    expect(first.get_by_role("button")).to_be_focused()
    assert first.locator(".name").evaluate(IS_VISIBLE)
    assert teacher.take_actions() <= 1

    if not page.locator("#mend-rows").is_visible():
        teacher.click(page.locator("#unread summary"))
    teacher.fill(page.locator("#mend-rows input"), f"{AGE.example:g}")
    teacher.fill(page.locator("#mend-rows select"), COURSE.example)
    teacher.click(page.locator("#mend-submit"))
    expect(page.locator("#unread")).to_be_hidden()
    expect(page.locator("#summary-detail")).to_contain_text("200 of 200")
    assert teacher.take_actions() <= (6 if screen == "390x844" else 5)

    rows = download(teacher)
    assert len(rows) == 200
    assert rows[0]["Id"] == riskiest
    assert teacher.take_actions() <= 1


@pytest.mark.parametrize("screen", SCREENS)
def test_with_the_keyboard(
    visit: Visit, lines: list[list[str]], riskiest: str, screen: str
) -> None:
    """(a) whom to see first 1, (d) correct 8, (e) download 3, (b) why 12, (c) what changes 4.

    On a phone, opening the rows that could not be read costs one more in (d). The way back from
    (c) to the list and to the next row is 5.
    """
    page = visit(reduced_motion="reduce", color_scheme="dark", **SCREENS[screen])
    teacher = KeyboardTeacher(page)

    choose_file(page, to_csv(lines))
    first = page.locator("#ranking tbody tr").first
    expect(first).to_contain_text(riskiest)
    expect(page.locator("#summary")).to_be_focused()

    if not page.locator("#mend-rows").is_visible():
        teacher.click(page.locator("#unread summary"))
    box = page.locator("#mend-rows input")
    teacher.reach(box)
    teacher.press("Control+a")
    teacher.fill(box, f"{AGE.example:g}")
    teacher.fill(page.locator("#mend-rows select"), COURSE.example)
    teacher.click(page.locator("#mend-submit"))
    expect(page.locator("#unread")).to_be_hidden()
    expect(page.locator("#summary-detail")).to_contain_text("200 of 200")
    expect(page.locator("#summary")).to_be_focused()
    assert teacher.take_actions() <= (9 if screen == "390x844" else 8)

    assert len(download(teacher)) == 200
    assert teacher.take_actions() <= 3

    why = page.locator("#ranking td.why button")
    teacher.click(why.first)
    panel = page.locator("#why-panel")
    expect(panel.locator("tbody tr")).to_have_count(len(FEATURES))
    assert teacher.take_actions() <= 12
    check_accessibility(page)

    teacher.click(panel.get_by_role("button").first)
    expect(page.locator("#one-title")).to_contain_text(riskiest)
    shown = page.locator("#probability").inner_text()
    teacher.press("Tab")
    teacher.press("End")
    expect(page.locator("#probability")).not_to_have_text(shown)
    assert teacher.take_actions() <= 4
    teacher.click(page.locator("#back"), "Shift+Tab")
    expect(why.first).to_be_focused()
    teacher.press("Escape")
    expect(panel).to_have_count(0)
    teacher.press("ArrowDown")
    expect(why.nth(1)).to_be_focused()
    assert teacher.take_actions() <= 5
