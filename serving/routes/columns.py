"""`GET /columns`: the data dictionary of pipeline/columns.py as JSON, from which the page builds its form."""

from __future__ import annotations

import dataclasses
from typing import Any

from fastapi import APIRouter

from pipeline.columns import FEATURES, LABEL, SUBJECT, SUBJECTS, Feature

router = APIRouter()

FOR_THE_GENERATOR = {"shares"}
"""Facts that only the sample generator reads: no concern of the API's clients."""


@router.get(
    "/columns",
    tags=["model"],
    summary="The data dictionary: every feature with its range or categories, and the label",
)
def columns() -> dict[str, Any]:
    """Features in the model's order; `kind` tells a number from a category, whose `codes` maps names to the survey's codes."""
    return {
        "subject": SUBJECT,
        "subjects": SUBJECTS,
        "features": [_described(feature) for feature in FEATURES],
        "label": dataclasses.asdict(LABEL),
    }


def _described(feature: Feature) -> dict[str, Any]:
    facts = {
        name: value
        for name, value in dataclasses.asdict(feature).items()
        if name not in FOR_THE_GENERATOR
    }
    return {"kind": type(feature).__name__.lower(), **facts}
