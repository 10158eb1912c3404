"""Live traffic in a lake, as predictors write it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pipeline.columns import PROBABILITY
from pipeline.storage.lake import Lake
from pipeline.storage.layout import live_traffic_object


def log_rows(
    lake: Lake, at: datetime, rows: Iterable[Mapping[Any, Any]], pod: str = "pod-a"
) -> str:
    """Write an object of a predictor, and return its key.

    Args:
        lake: The lake.
        at: When the rows were scored.
        rows: Their fields, which replace those that every row has.
        pod: Name of the predictor's pod.
    """
    fields = {"at": at.isoformat(), "request_id": "r", "version": "1", PROBABILITY: 0.5}
    lines = [json.dumps({**fields, **row}) for row in rows]
    key = live_traffic_object(f"{at:%Y-%m-%d}", pod, int(at.timestamp() * 1000))
    lake.write(key, gzip.compress("\n".join(lines).encode()))
    return key
