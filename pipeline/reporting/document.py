"""A document of headings, paragraphs, tables and pictures, rendered as Markdown and as HTML."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pipeline.card_status import Status
from pipeline.reporting.templates import render

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Heading:
    """The heading of a section."""

    kind: ClassVar = "heading"
    text: str


@dataclass(frozen=True)
class Text:
    """A paragraph. Text between backticks is code."""

    kind: ClassVar = "text"
    text: str


@dataclass(frozen=True)
class Callout:
    """A highlighted sentence, green or red."""

    kind: ClassVar = "callout"
    text: str
    is_good: bool


@dataclass(frozen=True)
class Table:
    """A table. Text between backticks is code.

    Attributes:
        header: Names of the columns; empty for a table of names and values.
        rows: Cells of each row.
        numeric: Indices of the columns that are aligned to the right.
        tones: Cells that HTML colors: text of the cell -> `good` or `bad`.
    """

    kind: ClassVar = "table"
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: Sequence[int] = ()
    tones: Mapping[str, str] | None = None

    @property
    def markdown_rows(self) -> list[list[str]]:
        """Header, alignment and rows. Markdown requires a header, and escaped bars in cells."""
        width = len(self.header or self.rows[0])
        alignment = ["--:" if index in self.numeric else "---" for index in range(width)]
        rows = [self.header or [""] * width, alignment, *self.rows]
        return [[cell.replace("|", "\\|") for cell in row] for row in rows]


@dataclass(frozen=True)
class Pictures:
    """SVG files in a grid: file name -> what the picture shows."""

    kind: ClassVar = "pictures"
    files: Mapping[str, str]


@dataclass(frozen=True)
class Links:
    """Links to other pages: text -> relative address."""

    kind: ClassVar = "links"
    targets: Mapping[str, str]


@dataclass(frozen=True)
class Items:
    """A list of sentences. Text between backticks is code."""

    kind: ClassVar = "items"
    texts: Sequence[str]


Block = Heading | Text | Items | Callout | Table | Pictures | Links | Status


def to_markdown(title: str, blocks: Sequence[Block]) -> str:
    """Render the document as Markdown that links to the pictures by file name."""
    return render(FOLDER / "document.md.j2", title=title, blocks=blocks)


def to_html(
    title: str, blocks: Sequence[Block], pictures: Mapping[str, bytes] | None = None
) -> str:
    """Render the document as one HTML file that loads nothing else.

    Args:
        title: Title and first heading.
        blocks: Content, from top to bottom.
        pictures: SVG bytes of every picture in `blocks`, by file name; None for no pictures.

    Returns:
        The HTML.
    """
    sources = {
        name: f"data:image/svg+xml;base64,{base64.b64encode(data).decode()}"
        for name, data in (pictures or {}).items()
    }
    preamble: list[Block] = []
    sections: list[tuple[str, list[Block]]] = []
    for block in blocks:
        if isinstance(block, Heading):
            sections.append((block.text, []))
        else:
            (sections[-1][1] if sections else preamble).append(block)
    return render(
        FOLDER / "document.html.j2",
        title=title,
        preamble=preamble,
        sections=sections,
        pictures=sources,
    )
