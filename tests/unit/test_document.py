"""Documents: the same blocks rendered as Markdown and as HTML."""

from __future__ import annotations

from pathlib import Path

import jinja2
import pytest

from pipeline.reporting.document import (
    Block,
    Callout,
    Heading,
    Pictures,
    Table,
    Text,
    to_html,
    to_markdown,
)
from pipeline.reporting.templates import render

TONES = {"passed": "good", "failed": "bad"}
BLOCKS: list[Block] = [
    Callout("a < b", is_good=False),
    Heading("Part"),
    Text("the alias `staging`"),
    Table(("gate", "n", "verdict"), [("x|y", "1", "passed"), ("<b>", "2", "failed")], (1,), TONES),
    Pictures({"a.svg": 'shows "a"'}),
]


def test_html_escapes_text() -> None:
    """No text becomes markup, neither in elements nor in attributes."""
    html = to_html("<t>", BLOCKS, {"a.svg": b"svg"})
    assert "<title>&lt;t&gt;</title>" in html
    assert "a &lt; b" in html
    assert "<td>&lt;b&gt;</td>" in html
    assert 'alt="shows &#34;a&#34;"' in html
    assert "<b>" not in html


def test_html_colors_verdicts() -> None:
    """Verdicts and the callout have a class; the verdict is also readable without color."""
    html = to_html("t", BLOCKS, {"a.svg": b"svg"})
    assert '<td class="good">passed</td>' in html
    assert '<td class="bad">failed</td>' in html
    assert '<td class="number">1</td>' in html
    assert '<blockquote class="bad">a &lt; b</blockquote>' in html
    assert "the alias <code>staging</code>" in html


def test_html_puts_an_interval_below_its_number() -> None:
    """A column of intervals is narrow, so that the text next to it has room."""
    html = to_html("t", [Table(("metric", "value"), [("a (b)", "0.8 (0.7 to 0.9)")], (1,))])
    assert '<td class="number">0.8<br><span class="muted">(0.7 to 0.9)</span></td>' in html
    assert "<td>a (b)</td>" in html


def test_html_loads_nothing() -> None:
    """Pictures are part of the page, so that it can be read anywhere."""
    html = to_html("t", BLOCKS, {"a.svg": b"svg"})
    assert 'src="data:image/svg+xml;base64,c3Zn"' in html
    assert "http" not in html


def test_a_table_without_header() -> None:
    """Tables of names and values have no header row in HTML, and an empty one in Markdown."""
    table = Table((), [("a", "b")])
    assert "<thead>" not in to_html("t", [table], {})
    assert to_markdown("t", [table]).splitlines()[2:] == ["|  |  |", "| --- | --- |", "| a | b |"]


def test_markdown() -> None:
    """Markdown escapes bars in cells and nothing else, and links to the pictures."""
    assert to_markdown("t", BLOCKS).splitlines() == [
        "# t",
        "",
        "> **a < b**",
        "",
        "## Part",
        "",
        "the alias `staging`",
        "",
        "| gate | n | verdict |",
        "| --- | --: | --- |",
        "| x\\|y | 1 | passed |",
        "| <b> | 2 | failed |",
        "",
        '![shows "a"](a.svg)',
    ]


def test_templates_refuse_missing_values(tmp_path: Path) -> None:
    """A variable that nobody passed is an error, not a gap in a report."""
    template = tmp_path / "page.html.j2"
    template.write_text("{% extends 'base.html.j2' %}{% block content %}{{ absent }}{% endblock %}")
    with pytest.raises(jinja2.UndefinedError, match="absent"):
        render(template, title="t")
