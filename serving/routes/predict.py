"""`POST /predict`: predictions for one row or many, as JSON."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from pipeline.columns import SUBJECT, SUBJECTS
from serving.http.exchange import Exchange
from serving.http.request_body import require_json
from serving.http.responses import Answer
from serving.http.rows import EXAMPLE
from serving.model.explained import to_fields
from serving.model.served_model import Model
from serving.routes.common import (
    LogRows,
    ServiceDependency,
    get_exchange,
    model_headers,
    problems,
)
from serving.service import Service

router = APIRouter(tags=["predict"])

BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"$ref": "#/components/schemas/Rows"},
            "examples": {
                "one": {"summary": f"One {SUBJECT}", "value": EXAMPLE},
                "many": {"summary": f"Several {SUBJECTS}", "value": [EXAMPLE]},
            },
        }
    },
}


async def answer_predict(
    service: Service, exchange: Exchange, *, explain: bool = False, log: bool = True
) -> tuple[Model, bytes]:
    """Read the rows of a request, score them and write the body of the response.

    Args:
        service: The process's service.
        exchange: The request.
        explain: Whether to add Shapley values, the stability and words to the predictions.
        log: Whether to add the rows to the traffic log.

    Returns:
        The model that made the predictions, and the JSON body.

    Raises:
        Problem: If the request cannot be answered.
    """
    require_json(exchange.headers)
    data = await service.bodies.read(exchange.headers, exchange.receive)
    model = service.model()
    rows = service.reader.rows(data)
    explained = await service.explain(model, rows) if explain else ()
    scored = await service.predict(model, rows, exchange, log)
    if not explained:
        return model, model.response_body(scored)
    fields = [
        to_fields(model, row, reasons, service.settings.min_stability)
        for row, reasons in zip(scored, explained, strict=True)
    ]
    return model, model.response_body(scored, fields)


@router.post(
    "/predict",
    summary=f"Predict one {SUBJECT} or many",
    response_model=Answer,
    response_model_exclude_none=True,
    responses=problems(400, 401, 403, 408, 413, 415, 422, 429, 500, 503),
    openapi_extra={"requestBody": BODY},
)
async def predict(
    request: Request,
    service: ServiceDependency,
    explain: Annotated[
        bool,
        Query(
            description="Add how much each feature contributes (exact Shapley values), how stable "
            "the label is, and the risk in words"
        ),
    ] = False,
    log: LogRows = True,
) -> Response:
    """Send one object or an array; predictions are returned in the same order.

    Categories are given by name or by code.
    """
    model, body = await answer_predict(service, get_exchange(request), explain=explain, log=log)
    return Response(body, headers=model_headers(model), media_type="application/json")
