"""Shadow traffic: live rows that the predictors also score with a candidate, for comparison."""

from __future__ import annotations

from pipeline.console import echo
from pipeline.deployment.predictor_client import (
    Replica,
    Unreachable,
    find_replicas,
    request_all,
)
from pipeline.evaluation.shadow import ShadowTraffic
from pipeline.polling import poll_until
from pipeline.settings import Settings


def get_shadow_traffic(settings: Settings, version: str) -> ShadowTraffic | None:
    """Sum up the shadow traffic of a version over all predictors.

    Returns:
        None if the version had no shadow traffic, or no predictor responds.
    """
    rows, agreeing_rows = 0, 0.0
    for model in request_all(find_replicas(settings), Replica.get_model).values():
        shadow = None if isinstance(model, Unreachable) else model.get("shadow")
        if isinstance(shadow, dict) and str(shadow.get("version")) == version:
            scored = int(shadow.get("rows") or 0)
            rows += scored
            agreeing_rows += scored * float(shadow.get("agreement") or 0)
    return ShadowTraffic(rows, agreeing_rows / rows) if rows else None


def wait_for_shadow_traffic(settings: Settings, version: str) -> ShadowTraffic | None:
    """Wait for as much shadow traffic of a version as the gate on it needs.

    Waits at most `deployment.shadow_wait_seconds`, and reports each poll that found more rows.

    Returns:
        The shadow traffic so far, as `get_shadow_traffic` returns it.
    """
    deployment = settings.deployment
    needed, timeout_seconds = deployment.min_shadow_rows, deployment.shadow_wait_seconds
    found: ShadowTraffic | None = None
    reported = -1

    def has_enough() -> bool | None:
        nonlocal found, reported
        found = get_shadow_traffic(settings, version)
        rows = found.rows if found else 0
        if timeout_seconds and rows > reported:
            echo(f"validate: version {version} scored {rows:,} of {needed:,} live rows")
            reported = rows
        return True if rows >= needed else None

    poll_until(
        has_enough,
        timeout_seconds=timeout_seconds,
        interval_seconds=deployment.poll_interval_seconds,
    )
    return found
