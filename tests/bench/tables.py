"""Tables of the measured pages."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Format a Markdown table."""
    header = tuple(header)
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def find(page: Path, name: str) -> tuple[str, str, str]:
    """Split a page at the two marks of a table: what is before, the table, what is after."""
    start, end = f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"
    before, start, rest = page.read_text().partition(start)
    found, end, after = rest.partition(end)
    assert start and end, f"{page} lacks the marks of the table {name}"
    return before + start, found, end + after


def put(page: Path, name: str, text: str) -> None:
    """Write a table between its two marks in a page, and print it."""
    before, _, after = find(page, name)
    page.write_text(before + text + after)
    show(text)


def show(text: str) -> None:
    """Print a table."""
    sys.stdout.write(f"{text}\n\n")
