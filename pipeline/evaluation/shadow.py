"""How a candidate in the shadow compares with the production model on live rows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ShadowTraffic:
    """Live rows that the predictors also scored with a version that does not answer.

    Attributes:
        rows: Number of rows that both versions scored.
        agreement: Fraction of those rows that got the same label from both.
    """

    rows: int
    agreement: float
