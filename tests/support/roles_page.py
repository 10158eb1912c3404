"""Reads docs/reference/roles.md: what each role may do in each part of the platform."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "roles.md"
NO_LOGIN, NO_ROLE = "no login", "no role"

Matrix = dict[str, dict[str, str]]
"""The results of each request, by person: `yes`, `401` or `403`."""


def read_roles() -> dict[str, Matrix]:
    """Return the tables of the page that have a column per role, by the part of the platform."""
    parts: dict[str, Matrix] = {}
    for section in PAGE.read_text().split("\n## ")[1:]:
        part = section.partition("\n")[0]
        rows = [_read_cells(line) for line in re.findall(r"^\|(.*)\|$", section, re.MULTILINE)]
        (_, *people), _, *requests = rows
        parts[part] = {
            request: dict(zip(people, results, strict=True)) for request, *results in requests
        }
    return parts


def _read_cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")]
