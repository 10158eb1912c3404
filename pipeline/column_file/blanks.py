"""Cells without a value."""

from __future__ import annotations

import math

BLANK = math.nan
"""A blank in rows of numbers. NaN equals nothing, but rows with this same object are equal."""
BLANKS = frozenset({"", "?", "na", "n/a", "nan", "null"})
"""Cells that count as blank, in lower case."""


def is_blank(cell: str) -> bool:
    """Whether a cell has no value."""
    return cell.strip().lower() in BLANKS
