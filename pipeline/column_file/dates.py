"""Dates in a raw file, which become numbers: the time from a date until another."""

from __future__ import annotations

import contextlib
from datetime import date, datetime
from typing import Literal

DateFormat = Literal["%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y"]
ISO: DateFormat = "%Y-%m-%d"
FORMATS: tuple[DateFormat, ...] = (ISO, "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y")
ISO_LENGTH = 10
"""Characters of a date such as 2026-01-31; a time may follow."""
DAYS_PER_UNIT = {"days": 1.0, "years": 365.25}
DECIMALS = {"days": 0, "years": 2}


def parse_date(text: str, date_format: DateFormat = ISO) -> date | None:
    """Return the date in a text; None if there is none.

    Args:
        text: A date in the format, or as in 2026-01-31; a time may follow it.
        date_format: The format.
    """
    text = text.strip()
    with contextlib.suppress(ValueError):
        if len(text) <= ISO_LENGTH or text[ISO_LENGTH] in "T ":
            return date.fromisoformat(text[:ISO_LENGTH])
    with contextlib.suppress(ValueError):
        return datetime.strptime(text.partition(" ")[0], date_format).date()
    return None


def measure_time(start: date, end: date, unit: str) -> float:
    """Return the time from one date until another, rounded.

    Args:
        start: The first date.
        end: The second date.
        unit: `days` or `years`.
    """
    return round((end - start).days / DAYS_PER_UNIT[unit], DECIMALS[unit])
