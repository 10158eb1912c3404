"""Limits of retraining requests: a cooldown after each request, and a daily limit.

A request is an object `reports/drift/retrainings/<day>/<number>.json`. It is created only if it
does not exist, so concurrent checks together never exceed the daily limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from pipeline.settings.drift import DriftSettings
from pipeline.storage import layout
from pipeline.storage.artifacts.drift import RetrainingRequest
from pipeline.storage.lake import Lake


def blocked_reason(lake: Lake, run_id: str, settings: DriftSettings, at: datetime) -> str | None:
    """Return why retraining must not be requested now.

    Args:
        lake: Where the requests are stored.
        run_id: The run that wants to request it. A run that already did may repeat its request.
        settings: Cooldown and daily limit.
        at: The time, in UTC.

    Returns:
        The reason, or None if retraining may be requested.
    """
    if settings.max_retrainings_per_day == 0:
        return "MLOPS_DRIFT__MAX_RETRAININGS_PER_DAY is 0"
    cooldown = timedelta(hours=settings.cooldown_hours)
    requests = [request for day in _days(at - cooldown, at) for request in _requests(lake, day)]
    if any(request.run_id == run_id for request in requests):
        return None
    if requests:
        last = max(requests, key=lambda request: request.requested_at)
        until = datetime.fromisoformat(last.requested_at) + cooldown
        if at < until:
            return (
                f"run {last.run_id} requested it at {last.requested_at}, "
                f"and the cooldown ends at {until.isoformat()}"
            )
    today = sum(1 for _ in _requests(lake, at.date().isoformat()))
    if today >= settings.max_retrainings_per_day:
        return (
            f"{today} retrainings were requested today (UTC); "
            f"the limit is {settings.max_retrainings_per_day}"
        )
    return None


def request_retraining(lake: Lake, run_id: str, settings: DriftSettings, at: datetime) -> bool:
    """Record the request, once per run.

    Args:
        lake: Where the requests are stored.
        run_id: The run that requests it.
        settings: The daily limit.
        at: The time, in UTC.

    Returns:
        False if other runs made the last request that the daily limit allows.
    """
    if any(
        request.run_id == run_id
        for day in _days(at - timedelta(days=1), at)
        for request in _requests(lake, day)
    ):
        return True
    request = RetrainingRequest(run_id=run_id, requested_at=at.isoformat(timespec="seconds"))
    numbers = range(1, settings.max_retrainings_per_day + 1)
    return any(
        lake.create(layout.retraining_request(at.date().isoformat(), number), request.to_bytes())
        for number in numbers
    )


def _requests(lake: Lake, day: str) -> Iterator[RetrainingRequest]:
    for key in lake.keys(layout.retraining_requests(day)):
        yield lake.read_model(key, RetrainingRequest)


def _days(since: datetime, until: datetime) -> Iterator[str]:
    day = since.date()
    while day <= until.date():
        yield day.isoformat()
        day += timedelta(days=1)
