"""A stand-in for Evidently, for tests of what the project does with its scores."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from pipeline.drift.counts import count_values
from pipeline.drift.evidently_report import EvidentlyResult
from pipeline.drift.plan import Plan


def draw_nothing(
    reference: pd.DataFrame, current: pd.DataFrame, plans: Sequence[Plan], *_: object
) -> EvidentlyResult:
    """Return the scores of each plan's own method, and a short page; the arguments are `draw`'s."""
    scores = {}
    for plan in plans:
        sides = (frame[plan.column.name].to_numpy(float) for frame in (reference, current))
        scores[plan.column.name] = plan.score(*map(count_values, sides))
    return EvidentlyResult(scores, b"<p>not drawn</p>")
