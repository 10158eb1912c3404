"""Shadow traffic: live rows that the predictors also score with a candidate, for comparison."""

from __future__ import annotations

from pipeline.deployment.predictor_client import (
    Replica,
    Unreachable,
    find_replicas,
    request_all,
)
from pipeline.evaluation.shadow import ShadowTraffic
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
