"""`/invocations`, `/ping`, `/version`: MLflow's scoring protocol."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from pipeline.model.training_range import rows_to_json
from serving.http.problems import WrongType
from serving.http.responses import PlainPrediction, RowWarning
from serving.mlflow_tables import PARSERS, rename_columns
from serving.routes.common import (
    LogRows,
    ServiceDependency,
    get_exchange,
    model_headers,
    problems,
)

router = APIRouter(tags=["mlflow"])


class Predictions(BaseModel):
    """MLflow's clients make a table of `predictions`, so the warnings are separate."""

    predictions: list[PlainPrediction]
    warnings: list[RowWarning] | None = Field(
        default=None, description="Only if a value is outside what the model learned from"
    )


BODY = {
    "required": True,
    "content": {
        "application/json": {"schema": {"$ref": "#/components/schemas/Invocation"}},
        "text/csv": {"schema": {"type": "string"}},
    },
}


@router.post(
    "/invocations",
    summary="Predict a table, in MLflow's scoring protocol",
    response_model=Predictions,
    responses=problems(400, 401, 403, 408, 413, 415, 422, 429, 500, 503),
    openapi_extra={"requestBody": BODY},
)
async def invocations(
    request: Request, service: ServiceDependency, log: LogRows = True
) -> Response:
    """Send `dataframe_split`, `dataframe_records`, `instances` or `inputs` as JSON, or text/csv."""
    exchange = get_exchange(request)
    parse = PARSERS.get(exchange.content_type)
    if parse is None:
        raise WrongType(exchange.content_type, " or ".join(PARSERS))
    data = await service.bodies.read(exchange.headers, exchange.receive)
    model = service.model()
    records = parse(data, service.settings.max_rows)
    rows = service.reader.records(rename_columns(records))
    scored = await service.predict(model, rows, exchange, log)
    answers = ",".join([model.plain_answer(row.probability) for row in scored])
    warnings = [row.warnings for row in scored]
    warned = f',"warnings":{rows_to_json(warnings)}' if any(warnings) else ""
    body = f'{{"predictions":[{answers}]{warned}}}'
    return Response(body, media_type="application/json", headers=model_headers(model))


@router.get("/ping", summary="Can it predict?", responses=problems(503))
@router.get("/health", summary="Can it predict?", responses=problems(503))
async def ping(service: ServiceDependency) -> Literal["ready"]:
    """200 if a model is loaded, and answers are not stopped."""
    service.stop_watcher.check()
    service.model()
    return "ready"


@router.get(
    "/version",
    summary="Version of this code",
    response_class=Response,
    responses=problems(401, 403),
)
async def version(service: ServiceDependency) -> Response:
    """The version as plain text."""
    return Response(service.code_version, media_type="text/plain")
