"""Sizes and days in tables for people."""

from __future__ import annotations

from datetime import datetime

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def format_size(size: float) -> str:
    """Format a number of bytes, such as `3.2 MiB`."""
    for unit in UNITS:
        if size < 1024 or unit == UNITS[-1]:
            break
        size /= 1024
    return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"


def format_day(time: datetime | None) -> str:
    """Format the day of a time in UTC, or nothing."""
    return "" if time is None else f"{time:%Y-%m-%d}"
