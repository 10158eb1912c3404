"""Times as the platform stores them and as people read them."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> str:
    """Return the current time in UTC, to the second, in ISO 8601 format."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def format_time(text: str) -> str:
    """Format an ISO 8601 time for people, such as `2026-03-01 08:30 UTC`."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        return text
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
