"""`GET /columns`: the data dictionary of pipeline/columns.py; the page builds its form from it."""

from __future__ import annotations

import dataclasses
from typing import Any

from fastapi import APIRouter

from pipeline.columns import FEATURES, LABEL, SUBJECT, SUBJECTS, Feature

router = APIRouter()

FOR_THE_GENERATOR = {"frequencies"}
"""Fields that only the generator of synthetic rows reads."""


@router.get(
    "/columns",
    tags=["model"],
    summary="The data dictionary: features with their ranges or categories, and the label",
)
def columns() -> dict[str, Any]:
    """Features in the model's order; `codes` of a categorical feature maps its names to codes."""
    return {
        "subject": SUBJECT,
        "subjects": SUBJECTS,
        "features": [_describe(feature) for feature in FEATURES],
        "label": dataclasses.asdict(LABEL),
    }


def _describe(feature: Feature) -> dict[str, Any]:
    fields = {
        name: value
        for name, value in dataclasses.asdict(feature).items()
        if name not in FOR_THE_GENERATOR
    }
    return {"kind": type(feature).__name__.lower(), **fields}
