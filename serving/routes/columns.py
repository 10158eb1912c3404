"""`GET /columns`: the data dictionary of the columns file; the page builds its form from it."""

from __future__ import annotations

import dataclasses
from typing import Any

from fastapi import APIRouter

from pipeline.column_file.blanks import BLANKS
from pipeline.columns import (
    FEATURE_NAMES,
    FEATURES,
    LABEL,
    PROBABILITY,
    PROBABILITY_FIELDS,
    ROLES,
    SUBJECT,
    SUBJECTS,
    TITLE,
    Feature,
)
from pipeline.storage.layout import SILVER_LIVE
from serving.routes.common import ServiceDependency, problems

router = APIRouter()

LOG_FIELDS = ("at", "request_id", "version", *FEATURE_NAMES, PROBABILITY)
"""Fields of a logged row, see serving/traffic_log.py."""
FOR_THE_GENERATOR = {"frequencies"}
"""Fields that only the generator of synthetic rows reads."""


@router.get(
    "/columns",
    tags=["model"],
    summary="The data dictionary: features with their ranges or categories, and the label",
    responses=problems(401, 403),
)
def columns(service: ServiceDependency) -> dict[str, Any]:
    """Features in the model's order; `codes` of a categorical feature maps its names to codes.

    `blanks` of a feature that may be blank lists the cells that count as blank, in lower case.

    `key` has the names of the column that identifies a row; the predictor does not need it, and the
    page keeps it in the browser. `probability_fields` are the names of the probability in answers.
    `live_traffic` describes what is stored of predicted rows, unless the request has `?log=false`.
    """
    return {
        "title": TITLE,
        "subject": SUBJECT,
        "subjects": SUBJECTS,
        "features": [_describe(feature) for feature in FEATURES],
        "label": dataclasses.asdict(LABEL),
        "key": [ROLES.key.raw, ROLES.key.name] if ROLES.key else [],
        "probability_fields": PROBABILITY_FIELDS,
        "live_traffic": {
            "sample_rate": service.settings.log_sample_rate,
            "fields": LOG_FIELDS,
            "folder": SILVER_LIVE,
            "retention_days": service.live_retention_days or None,
        },
    }


def _describe(feature: Feature) -> dict[str, Any]:
    fields = {
        name: value
        for name, value in dataclasses.asdict(feature).items()
        if name not in FOR_THE_GENERATOR
    }
    if not fields.get("until"):  # not a date
        fields = {name: fields[name] for name in fields if name not in ("until", "date_format")}
    blanks = {} if feature.required else {"blanks": sorted(BLANKS)}
    return {"kind": type(feature).__name__.lower(), **fields, **blanks}
