"""What the routes share: the service, query parameters, headers and documented errors."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query, Request

from serving.http.exchange import Exchange
from serving.http.problems import MEDIA_TYPE
from serving.model.served_model import Model
from serving.permissions import ROUTES
from serving.service import Service

DESCRIPTIONS = {
    400: "The body is not valid JSON",
    401: "The API key, session or token is missing, wrong, expired or revoked",
    403: "No role of the person allows it, or a page of another site sent the request",
    404: "Unknown model or version",
    408: "The body did not arrive in time",
    413: "The body is larger than the limit",
    415: "The route does not accept this content type, or the body is compressed",
    422: "A value is invalid; see `errors`",
    429: "The API key has reached one of its limits",
    500: "The model cannot score the rows",
    503: "No model is loaded yet, too many requests are running, or all answers are stopped",
}


async def get_service(request: Request) -> Service:
    """Return the service of the application."""
    service: Service = request.app.state.service
    return service


ServiceDependency = Annotated[Service, Depends(get_service)]

LogRows = Annotated[
    bool,
    Query(
        description="False keeps these rows out of the live traffic that drift is computed from; "
        "use it for synthetic rows"
    ),
]


def get_exchange(request: Request) -> Exchange:
    """Return the exchange that the middleware made of this request."""
    exchange: Exchange = request.state.exchange
    return exchange


async def authorize(request: Request) -> None:
    """Check that a request may use its route; the application calls it for each one."""
    service: Service = request.app.state.service
    await service.authorize(get_exchange(request), ROUTES[request.scope["route"].path])


def model_headers(model: Model) -> dict[str, str]:
    return {"X-Model-Version": model.version}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the problem documents of these statuses, for the OpenAPI document."""
    shape = {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}
    return {
        status: {"description": DESCRIPTIONS[status], "content": {MEDIA_TYPE: shape}}
        for status in statuses
    }
