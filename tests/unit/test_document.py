"""Documents: the same blocks as Markdown and as HTML."""

from __future__ import annotations

from pipeline.evaluation.html_report import (
    Block,
    Callout,
    Heading,
    Pictures,
    Rows,
    Text,
    to_html,
    to_markdown,
)

BLOCKS: list[Block] = [
    Callout("a < b", good=False),
    Heading("Part"),
    Text("the alias `staging`"),
    Rows(("gate", "verdict"), [("x|y", "holds"), ("<b>", "failed")]),
    Pictures({"a.png": 'says "a"'}),
]


def test_html_escapes_what_it_is_given() -> None:
    """No text becomes markup, in cells and in attributes."""
    html = to_html("<t>", BLOCKS, {"a.png": b"png"})
    assert "<title>&lt;t&gt;</title>" in html
    assert "a &lt; b" in html
    assert "<td>&lt;b&gt;</td>" in html
    assert 'alt="says &quot;a&quot;"' in html
    assert "<b>" not in html


def test_verdicts_are_coloured() -> None:
    """A gate's verdict and the decision carry their class; the word stays, for those who see no colour."""
    html = to_html("t", BLOCKS, {"a.png": b"png"})
    assert "<td class=good>holds</td>" in html
    assert "<td class=bad>failed</td>" in html
    assert '<blockquote class="bad">' in html
    assert "<code>staging</code>" in html


def test_a_table_without_names_has_no_empty_head() -> None:
    """Pairs of name and value need no header row."""
    assert "<thead></thead>" in to_html("t", [Rows(("", ""), [("a", "b")])], {})


def test_markdown_keeps_cells_apart() -> None:
    """A bar in a cell does not begin another cell; pictures are files beside the document."""
    markdown = to_markdown("t", BLOCKS)
    assert "| x\\|y | holds |" in markdown
    assert '![says "a"](a.png)' in markdown
    assert markdown.startswith("# t\n\n> **a < b**\n\n## Part\n")
