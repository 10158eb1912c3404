"""Deletes live traffic and ended sessions that are no longer needed."""

from __future__ import annotations

from datetime import datetime, timedelta

from pipeline.storage.lake import Lake
from pipeline.storage.layout import (
    ENDED_SESSIONS,
    SILVER_LIVE,
    ended_sessions,
    live_traffic_day,
)


def delete_old_traffic(lake: Lake, now: datetime, retention_days: int) -> int:
    """Delete the live traffic of the days before the retention period.

    Args:
        lake: Where the traffic log is stored.
        now: The time (UTC) that the period ends at.
        retention_days: Length of the period; 0 keeps everything.

    Returns:
        Number of deleted objects.
    """
    if not retention_days:
        return 0
    oldest_day = (now - timedelta(days=retention_days)).date().isoformat()
    keys = lake.keys(SILVER_LIVE, before=live_traffic_day(oldest_day))
    for key in keys:
        lake.delete(key)
    return len(keys)


def delete_expired_sessions(lake: Lake, now: datetime) -> None:
    """Delete what says that a session of the page has ended, once the session would have expired.

    Args:
        lake: Where the predictors write it.
        now: The time (UTC).
    """
    for key in lake.keys(ENDED_SESSIONS, before=ended_sessions(now.date().isoformat())):
        lake.delete(key)
