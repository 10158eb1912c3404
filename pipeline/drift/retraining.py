"""When drift may ask for retraining: a cooldown after each request, and a cap on requests a day.

A request is an object of `reports/drift/retrainings/<day>/<number>.json`, made only where there is none: however many checks
run at once, a day holds no more requests than it has numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from pipeline.settings import DriftSettings
from pipeline.storage import layout
from pipeline.storage.artifacts import RetrainingRequest
from pipeline.storage.lake import Lake


def blocked_reason(lake: Lake, run_id: str, settings: DriftSettings, at: datetime) -> str | None:
    """Why retraining may not be asked for at `at` (UTC), or None. A run that has asked may ask again: it is the same request."""
    if settings.max_retrainings_per_day == 0:
        return "asking for retraining is off (MLOPS_DRIFT__MAX_RETRAININGS_PER_DAY is 0)"
    cooldown = timedelta(hours=settings.cooldown_hours)
    requests = [request for day in _days(at - cooldown, at) for request in _requests(lake, day)]
    if any(request.run_id == run_id for request in requests):
        return None
    if requests:
        last = max(requests, key=lambda request: request.asked_at)
        until = datetime.fromisoformat(last.asked_at) + cooldown
        if at < until:
            return f"run {last.run_id} asked at {last.asked_at}, the cooldown lasts until {until.isoformat()}"
    today = sum(1 for _ in _requests(lake, at.date().isoformat()))
    if today >= settings.max_retrainings_per_day:
        return f"{today} retrainings were asked for today (UTC), at most {settings.max_retrainings_per_day} may be"
    return None


def request_retraining(lake: Lake, run_id: str, settings: DriftSettings, at: datetime) -> bool:
    """Records the request, once for each run; False when others took the day's last number meanwhile."""
    if any(
        request.run_id == run_id
        for day in _days(at - timedelta(days=1), at)
        for request in _requests(lake, day)
    ):
        return True
    request = RetrainingRequest(run_id=run_id, asked_at=at.isoformat(timespec="seconds"))
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
