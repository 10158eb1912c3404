"""Retraining requests: one per run, none during a cooldown, and a limit per day."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from pipeline.drift.retraining import blocked_reason, request_retraining
from pipeline.settings.drift import DriftSettings
from pipeline.storage.lake import Lake
from pipeline.storage.layout import RETRAINING_REQUESTS
from tests.support.lake import read_json, write_json

NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SETTINGS = DriftSettings(cooldown_hours=3, max_retrainings_per_day=2)


def test_first(lake: Lake) -> None:
    """The first request is allowed, and recorded under its day."""
    assert blocked_reason(lake, "a", SETTINGS, NOON) is None
    assert request_retraining(lake, "a", SETTINGS, NOON)
    assert read_json(lake, f"{RETRAINING_REQUESTS}2026-03-05/1.json") == {
        "run_id": "a",
        "requested_at": "2026-03-05T12:00:00+00:00",
    }


def test_cooldown(lake: Lake) -> None:
    """During the cooldown another run is blocked; the reason has the time at which it ends."""
    request_retraining(lake, "a", SETTINGS, NOON)
    assert blocked_reason(lake, "b", SETTINGS, NOON + 2 * HOUR) == (
        "run a requested it at 2026-03-05T12:00:00+00:00, "
        "and the cooldown ends at 2026-03-05T15:00:00+00:00"
    )
    assert blocked_reason(lake, "b", SETTINGS, NOON + 3 * HOUR) is None


def test_cooldown_over_midnight(lake: Lake) -> None:
    """The cooldown does not end with the day."""
    late = NOON + 11 * HOUR
    request_retraining(lake, "a", SETTINGS, late)
    assert "cooldown" in (blocked_reason(lake, "b", SETTINGS, late + 2 * HOUR) or "")


def test_daily_limit(lake: Lake) -> None:
    """After the last request of a day, all runs are blocked until midnight UTC."""
    for run_id, at in (("a", NOON), ("b", NOON + 4 * HOUR)):
        assert blocked_reason(lake, run_id, SETTINGS, at) is None
        assert request_retraining(lake, run_id, SETTINGS, at)
    assert (
        blocked_reason(lake, "c", SETTINGS, NOON + 8 * HOUR)
        == "2 retrainings were requested today (UTC); the limit is 2"
    )
    assert blocked_reason(lake, "c", SETTINGS, NOON + 12 * HOUR) is None


def test_off(lake: Lake) -> None:
    """A limit of 0 disables requests."""
    assert "MAX_RETRAININGS_PER_DAY is 0" in (
        blocked_reason(lake, "a", DriftSettings(max_retrainings_per_day=0), NOON) or ""
    )


def test_same_run_again(lake: Lake) -> None:
    """A run that is retried after its request requests again, without a second record."""
    request_retraining(lake, "a", SETTINGS, NOON)
    assert blocked_reason(lake, "a", SETTINGS, NOON + HOUR) is None
    assert request_retraining(lake, "a", SETTINGS, NOON + HOUR)
    assert len(lake.keys(RETRAINING_REQUESTS)) == 1


def test_at_once(lake: Lake) -> None:
    """Concurrent checks together do not exceed the daily limit."""
    with ThreadPoolExecutor(8) as pool:
        requested = list(
            pool.map(
                lambda number: request_retraining(lake, f"run-{number}", SETTINGS, NOON), range(8)
            )
        )
    assert sum(requested) == 2
    assert len(lake.keys(RETRAINING_REQUESTS)) == 2


def test_requests_of_earlier_releases_count(lake: Lake) -> None:
    """A request with the former name of the time starts a cooldown too."""
    request = {"run_id": "a", "asked_at": NOON.isoformat()}
    write_json(lake, f"{RETRAINING_REQUESTS}2026-03-05/1.json", request)
    assert "cooldown" in (blocked_reason(lake, "b", SETTINGS, NOON + HOUR) or "")
