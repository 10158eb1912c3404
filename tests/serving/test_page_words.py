"""The page's languages: each has all words, no text is elsewhere, and visitors can choose."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from pipeline.columns import FEATURE_NAMES, LABEL
from tests.support.page import PHONE, Visit, choose_file, class_list, to_csv

PAGE = Path(__file__).parents[2] / "serving" / "page"
MODULES = {path.name: path.read_text() for path in PAGE.glob("*.js")}
MARKUP = (PAGE / "index.html").read_text()
STYLE = (PAGE / "style.css").read_text()
LANGUAGES = ("en", "de", "es", "fr")
STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`')
SENTENCE = re.compile(r"[A-Za-z]{2,},? [a-z]|^[A-Z][a-z]+$")
"""Matches text for people: several words, or one that begins with a capital."""
NAMES = {
    *("Content-Type", "Escape", "Enter", "Relationship", "Id", "Target"),
    *("English", "Deutsch", "Español", "Français"),
    "input, select",
}
"""Strings that nobody reads as words of the page."""

Words = dict[str, Any]


@pytest.fixture(scope="module")
def words(context: BrowserContext, url: str) -> dict[str, Words]:
    """The table of each language."""
    page = context.new_page()
    page.goto(url)
    tables: dict[str, Words] = page.evaluate(
        """async (tags) => {
            const load = async (tag) => [tag, (await import(`/page/words/${tag}.js`)).default];
            return Object.fromEntries(await Promise.all(tags.map(load)));
        }""",
        LANGUAGES,
    )
    page.close()
    return tables


def to_texts(entry: str | dict[str, str]) -> list[str]:
    """Return the plural forms of an entry, or its only text."""
    return list(entry.values()) if isinstance(entry, dict) else [entry]


def strip_comments(code: str) -> str:
    return re.sub(r"/\*.*?\*/|(?<!:)//[^\n]*", "", code, flags=re.DOTALL)


def test_every_language_has_every_word(words: dict[str, Words]) -> None:
    """The keys are the same. A text uses only values that the English one gets too."""
    assert sorted(path.stem for path in (PAGE / "words").iterdir()) == sorted(LANGUAGES)
    english = words["en"]
    for tag, table in words.items():
        assert table.keys() == english.keys(), tag
        for key, entry in table.items():
            assert all(text.strip() for text in to_texts(entry)), (tag, key)
            if isinstance(entry, dict):
                assert "other" in entry, (tag, key)
            given = set(re.findall(r"\{(\w+)\}", "".join(to_texts(english[key])))) | {
                "outcome",
                "count",
            }
            used = set(re.findall(r"\{(\w+)\}", "".join(to_texts(entry))))
            assert used <= given, (tag, key)


def test_the_languages_differ(words: dict[str, Words]) -> None:
    """No sentence was left in English."""
    for tag in set(LANGUAGES) - {"en"}:
        same = [
            key
            for key, text in words["en"].items()
            if isinstance(text, str) and " " in text and "{" not in text
            if words[tag][key] == text
        ]
        assert same in ([], ["metric.roc_auc", "metric.pr_auc"]), tag


def test_the_page_translates_the_default_titles_of_the_label(words: dict[str, Words]) -> None:
    """The English ones are those of the data dictionary."""
    label = replace(LABEL, titles={})
    assert words["en"]["mark.on"] == label.get_title(True)
    assert words["en"]["mark.off"] == label.get_title(False)


def test_every_word_is_used_and_exists(words: dict[str, Words]) -> None:
    """The keys of the page and of its modules are those of the tables."""
    code = "".join(map(strip_comments, MODULES.values()))
    used = set(re.findall(r'data-(?:word|label)="([^"]+)"', MARKUP))
    used |= set(re.findall(r'\bt\(\s*"([^"]+)"', code))
    assert used <= words["en"].keys()
    computed = (*re.findall(r"`([a-z]+\.)\$\{", code), "allowed.", "invalid.")
    mentioned = used | set(re.findall(r'"([a-z]+\.[\w.]+)"', code))
    unused = [key for key in words["en"] if key not in mentioned and not key.startswith(computed)]
    assert unused == []


@pytest.mark.parametrize("name", sorted(MODULES))
def test_no_module_has_text_of_its_own(name: str) -> None:
    """Strings for people come from the tables in words/."""
    strings = [match[1:-1] for match in STRING.findall(strip_comments(MODULES[name]))]
    plain = [re.sub(r"\$\{.*?\}", "", text) for text in strings]
    found = [text for text in plain if SENTENCE.search(text) and text not in NAMES]
    assert [text for text in found if not are_classes(text)] == []


def are_classes(text: str) -> bool:
    """Whether each word is a class of the style sheet."""
    return all(f".{word}" in STYLE for word in text.split())


def test_the_markup_has_no_text_of_its_own() -> None:
    """Only the title and the message for browsers without JavaScript are in the markup."""

    class Texts(HTMLParser):
        exempt = 0
        found: list[str] = []  # noqa: RUF012 - one parser

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.exempt += tag in ("title", "noscript")
            self.found += [
                name for name, _ in attrs if name in ("aria-label", "placeholder", "alt")
            ]

        def handle_endtag(self, tag: str) -> None:
            self.exempt -= tag in ("title", "noscript")

        def handle_data(self, data: str) -> None:
            if not self.exempt and re.search(r"[^\W\d]", data):
                self.found.append(data.strip())

    texts = Texts()
    texts.feed(MARKUP)
    assert texts.found == []


def read_language(page: Page) -> str | None:
    return page.locator("html").get_attribute("lang")


def test_the_browser_chooses_and_the_visitor_can_change(
    visit: Visit, words: dict[str, Words]
) -> None:
    """A German browser gets German words and numbers. Another choice keeps list and form."""
    page = visit(locale="de-AT")
    assert read_language(page) == "de"
    expect(page.locator("#demo")).to_have_text(words["de"]["list.demo"])
    expect(page.locator("#probability")).to_have_text(re.compile(r"^\d+(,\d)?\s%$"))
    lines = class_list(7)
    lines[3][1] = ""
    choose_file(page, to_csv(lines))
    expect(page.locator("#ranking tbody tr")).to_have_count(6)
    slider = page.locator("#fields input[type=range]").last
    slider.press("Home")
    value = slider.input_value()
    page.locator("#language").select_option("fr")
    expect(page.locator("#demo")).to_have_text(words["fr"]["list.demo"])
    expect(page.locator("#ranking thead .why")).to_have_text(words["fr"]["list.why"])
    expect(page.locator("#summary")).to_contain_text(words["fr"]["mark.on"])
    expect(page.locator("#mend-rows")).to_contain_text(f"{FEATURE_NAMES[0]} manque")
    expect(page.locator("#ranking tbody tr")).to_have_count(6)
    assert slider.input_value() == value
    page.reload()
    expect(page.locator("#demo")).to_have_text(words["fr"]["list.demo"])
    assert read_language(page) == "fr"


def test_a_browser_in_another_language_gets_english(visit: Visit) -> None:
    page = visit(locale="it-IT")
    assert read_language(page) == "en"


@pytest.mark.parametrize("tag", LANGUAGES)
def test_every_language_fits_a_phone(visit: Visit, tag: str) -> None:
    """Nothing is wider than the screen, and `Why` can be reached without scrolling sideways."""
    page = visit(locale=tag, **PHONE)
    choose_file(page, to_csv(class_list(30)))
    expect(page.locator("#ranking tbody tr")).to_have_count(30)
    width = PHONE["viewport"]["width"]
    why = page.locator("#ranking td.why button").first
    box = why.bounding_box()
    window = page.locator(".scroll:has(#ranking)").bounding_box()
    assert box
    assert window
    assert box["x"] + box["width"] <= window["x"] + window["width"]
    why.click()
    expect(page.locator("#why-panel table")).to_be_visible()
    page.locator("#specialists summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
