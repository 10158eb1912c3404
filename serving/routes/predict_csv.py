"""`POST /predict/csv`: returns a list with predictions appended, while the list still arrives."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from pipeline.columns import FEATURES, SUBJECTS
from serving.csv_stream import CsvResponse, CsvStream
from serving.http.problems import Invalid, TooLarge, WrongType
from serving.http.request_body import require_identity
from serving.routes.common import LogRows, ServiceDependency, get_exchange, model_headers, problems

router = APIRouter(tags=["predict"])

CONTENT_TYPES = (
    "text/csv",
    "application/csv",
    "text/plain",
    "text/tab-separated-values",
    "application/vnd.ms-excel",
)
"""Content types that browsers and spreadsheets use for CSV files; the response is text/csv."""

EXAMPLE_LIST = "\n".join(
    (
        ",".join(("name", *(feature.name for feature in FEATURES))),
        ",".join(("Ada", *(str(feature.example) for feature in FEATURES))),
        "",
    )
)
TEXT_CSV = {"schema": {"type": "string"}}
BODY = {
    "required": True,
    "content": {"text/csv": TEXT_CSV | {"examples": {"list": {"value": EXAMPLE_LIST}}}},
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The list with predictions", "content": {"text/csv": TEXT_CSV}}
}


@router.post(
    "/predict/csv",
    summary=f"Predict a CSV list of {SUBJECTS} of any length",
    response_class=Response,
    responses=RESPONSES | problems(401, 403, 408, 413, 415, 422, 429, 503),
    openapi_extra={"requestBody": BODY},
)
async def predict_csv(
    request: Request, service: ServiceDependency, log: LogRows = True
) -> Response:
    """Columns are found by raw header or by name, in any order; other columns are kept.

    Every row is returned unchanged and in the same order, followed by `label`,
    `probability`, `warning` and `error`. `warning` names values outside what the model learned
    from, `error` says what is wrong with an invalid row. Predictions are sent while the list is
    still arriving.
    """
    exchange = get_exchange(request)
    require_identity(exchange.headers)
    content_type = exchange.content_type
    if content_type not in CONTENT_TYPES:
        raise WrongType(content_type, "text/csv")
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > service.settings.max_csv_bytes:
        raise TooLarge(service.settings.max_csv_bytes)
    service.model()  # fails early if there is none
    await service.acquire_csv_slot()
    model = service.model()
    stream = CsvStream(service, model, request, log)
    try:
        await stream.read_header()
    except ClientDisconnect:
        stream.close()
        raise Invalid((), "The client disconnected before the end of the header") from None
    except BaseException:
        stream.close()
        raise
    return CsvResponse(stream, model_headers(model), service.settings.body_timeout_seconds)
