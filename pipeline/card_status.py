"""The part of a model card that describes the current state of its model.

A card is rendered once, by `evaluate`. What happens to the model later replaces this part, in
stages that have neither the figures nor the templates of the card.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

START, END = "<!-- status -->", "<!-- end of status -->"
"""Markers around the part, in HTML and in Markdown."""
MARKED = re.compile(f"{START}.*?{END}", re.DOTALL)


@dataclass(frozen=True)
class Status:
    """The state of a model. Text between backticks is code.

    Attributes:
        state: A sentence.
        is_good: Whether it is good news; None for neither.
        events: What led to it, oldest first.
    """

    kind: ClassVar = "status"
    state: str
    is_good: bool | None = None
    events: Sequence[str] = ()

    def to_html(self) -> str:
        """Render as HTML, with the markers."""
        tone = {True: ' class="good"', False: ' class="bad"', None: ""}[self.is_good]
        items = "".join(f"<li>{_escape(event)}</li>\n" for event in self.events)
        listed = f"\n<ul>\n{items}</ul>" if items else ""
        return f"{START}\n<blockquote{tone}>{_escape(self.state)}</blockquote>{listed}\n{END}"

    def to_markdown(self) -> str:
        """Render as Markdown, with the markers."""
        items = "".join(f"- {event}\n" for event in self.events)
        listed = f"\n{items}" if items else ""
        return f"{START}\n> **{self.state}**\n{listed}\n{END}"


def replace_status(card: str, rendered: str) -> str:
    """Replace the status in a card; a card without one, of an earlier release, stays as it is.

    Args:
        card: The card, HTML or Markdown.
        rendered: The status in the same format.

    Returns:
        The card with the new status.
    """
    return MARKED.sub(lambda _: rendered, card, count=1)


def _escape(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))
