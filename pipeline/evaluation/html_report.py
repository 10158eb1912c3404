"""A document of headings, paragraphs, tables and pictures, written once and put out as Markdown and as one HTML file."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WORDS = {"holds": "good", "failed": "bad"}
"""Cells that HTML colours, with their class."""

STYLE = """
:root { color-scheme: light dark; --ink: #1d2433; --soft: #5b6475; --line: #d9dee8; --card: #fff; --back: #f4f6fa;
  --link: #2563eb; --good: #15803d; --bad: #b91c1c; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eaf2; --soft: #a3adbf; --line: #364154; --card: #1a2130; --back: #10151f;
    --link: #60a5fa; --good: #4ade80; --bad: #f87171; } }
body { margin: 0; background: var(--back); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 24px 16px 48px; }
h1 { margin: 0 0 8px; font-size: 26px; }
h2 { margin: 36px 0 8px; font-size: 19px; border-bottom: 1px solid var(--line); padding-bottom: 4px; }
p { max-width: 75ch; margin: 8px 0; }
blockquote { margin: 12px 0; padding: 12px 16px; background: var(--card); border: 1px solid var(--line);
  border-left: 5px solid var(--link); border-radius: 6px; font-size: 17px; }
blockquote.good { border-left-color: var(--good); }
blockquote.bad { border-left-color: var(--bad); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; background: var(--card); border: 1px solid var(--line); border-radius: 6px; margin: 12px 0; }
th, td { padding: 5px 12px; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { color: var(--soft); font-weight: 600; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.good { color: var(--good); font-weight: 600; }
td.bad { color: var(--bad); font-weight: 600; }
code { font-size: 13px; overflow-wrap: anywhere; }
.pictures { display: grid; gap: 12px; margin: 12px 0; }
.pictures.several { grid-template-columns: repeat(auto-fit, minmax(min(400px, 100%), 1fr)); }
.pictures img { max-width: 100%; height: auto; background: #fff; border: 1px solid var(--line); border-radius: 6px; }
"""


@dataclass(frozen=True)
class Heading:
    text: str


@dataclass(frozen=True)
class Text:
    """A paragraph; `code` in it is set between backticks."""

    text: str


@dataclass(frozen=True)
class Callout:
    """The sentence that matters; `good` colours it."""

    text: str
    good: bool


@dataclass(frozen=True)
class Rows:
    """A table; the columns numbered in `numbers` are set to the right."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Sequence[int] = ()


@dataclass(frozen=True)
class Pictures:
    """Pictures side by side: file name -> what it shows."""

    files: Mapping[str, str]


Block = Heading | Text | Callout | Rows | Pictures


def to_markdown(title: str, blocks: Sequence[Block]) -> str:
    """Markdown; pictures are files beside it."""
    return "\n\n".join([f"# {title}", *(_markdown(block) for block in blocks)]) + "\n"


def _markdown(block: Block) -> str:
    match block:
        case Heading(text):
            return f"## {text}"
        case Text(text):
            return text
        case Callout(text, _):
            return f"> **{text}**"
        case Rows(header, rows, numbers):
            marks = ["--:" if place in numbers else "---" for place in range(len(header))]
            cells = [header, marks, *rows]
            return "\n".join(
                "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells
            )
        case Pictures(files):
            return "\n".join(f"![{alt}]({name})" for name, alt in files.items())


def to_html(title: str, blocks: Sequence[Block], pictures: Mapping[str, bytes]) -> str:
    """One HTML file that holds its pictures (PNG bytes by file name) and asks nothing of any server."""
    body = "\n".join(_html(block, pictures) for block in blocks)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>\n'
        f"<body><main>\n<h1>{escape(title)}</h1>\n{body}\n</main></body></html>\n"
    )


def _html(block: Block, pictures: Mapping[str, bytes]) -> str:
    match block:
        case Heading(text):
            return f"<h2>{escape(text)}</h2>"
        case Text(text):
            return f"<p>{_inline(text)}</p>"
        case Callout(text, good):
            return f'<blockquote class="{"good" if good else "bad"}">{_inline(text)}</blockquote>'
        case Rows(header, rows, numbers):
            head = _row("th", header, numbers) if any(header) else ""
            body = "".join(_row("td", row, numbers) for row in rows)
            return (
                f'<div class="wide"><table><thead>{head}</thead><tbody>{body}</tbody></table></div>'
            )
        case Pictures(files):
            images = (
                f'<img alt="{escape(alt)}" src="data:image/png;base64,{base64.b64encode(pictures[name]).decode()}">'
                for name, alt in files.items()
            )
            return f'<div class="pictures{" several" if len(files) > 1 else ""}">{"".join(images)}</div>'


def _row(tag: str, cells: Sequence[str], numbers: Sequence[int]) -> str:
    parts = []
    for place, cell in enumerate(cells):
        kind = "number" if place in numbers else WORDS.get(cell)
        parts.append(f"<{tag}{f' class={kind}' if kind else ''}>{_inline(cell)}</{tag}>")
    return f"<tr>{''.join(parts)}</tr>"


def _inline(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
