"""The fields that `?explain=true` adds to a prediction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pipeline.columns import LABEL
from pipeline.model.decision import is_positive
from serving.http.rows import Row
from serving.model.served_model import Model, ScoredRow
from serving.model.wording import describe_risk

DECIMALS = 3
"""Decimals of the stability."""


class Explained(NamedTuple):
    """What explains a row; it does not depend on the label.

    Attributes:
        explanation: JSON of the Shapley values.
        positive_fraction: Fraction of the refits that predict it positive; None without refits.
    """

    explanation: bytes
    positive_fraction: float | None


def explain(model: Model, rows: Sequence[Row]) -> list[Explained]:
    """Explain rows; takes milliseconds per row.

    Raises:
        Invalid: If the model has no explanations.
    """
    explanations = [model.explainer.explain(row) for row in rows]
    fractions: Sequence[float | None] = [None] * len(rows)
    if model.refits:
        fractions = model.refits.positive_fraction(np.array(rows, np.float32)).tolist()
    return [Explained(*row) for row in zip(explanations, fractions, strict=True)]


def to_fields(model: Model, scored: ScoredRow, explained: Explained, min_stability: float) -> bytes:
    """Return the JSON of the fields that are added to a prediction, without braces.

    Args:
        model: The model that made the prediction.
        scored: The prediction.
        explained: What explains the row.
        min_stability: A label with a lower stability is unsure.
    """
    positive = is_positive(scored.probability, model.threshold)
    fields: dict[str, str | float | bool] = {}
    if explained.positive_fraction is not None:
        fraction = explained.positive_fraction
        stability = round(fraction if positive else 1 - fraction, DECIMALS)
        fields = {"stability": stability, "unsure": stability < min_stability}
    fields["verdict"] = LABEL.get_title(positive)
    fields["risk"] = describe_risk(
        scored.probability,
        model.average_risk,
        is_flagged=positive,
        is_outside=bool(scored.warnings),
    )
    text = json.dumps(fields, separators=(",", ":"), ensure_ascii=False)
    return b'"explanation":%b,%b' % (explained.explanation, text[1:-1].encode())
