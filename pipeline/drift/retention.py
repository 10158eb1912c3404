"""Deletes live traffic that is older than its retention period."""

from __future__ import annotations

from datetime import datetime, timedelta

from pipeline.storage.lake import Lake
from pipeline.storage.layout import SILVER_LIVE, live_traffic_day


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
