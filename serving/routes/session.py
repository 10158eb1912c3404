"""`/session`: the page exchanges an API key for a cookie, and ends the session."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.errors import LakeError
from serving.access.sessions import require_same_origin
from serving.http.problems import Invalid, Unavailable
from serving.http.request_body import require_json
from serving.routes.common import ServiceDependency, get_exchange

router = APIRouter(prefix="/session", include_in_schema=False)


class Login(BaseModel):
    model_config = ConfigDict(extra="forbid")

    key: str


@router.get("")
async def get_session(request: Request, service: ServiceDependency) -> dict[str, Any]:
    """Whether requests need a login, and whose login the request has.

    The page itself sends no token: a login proxy in front of the predictor adds it.
    """
    headers = get_exchange(request).headers
    answer = {"is_required": service.is_login_required, "name": None, "expires": None}
    if service.tokens is not None and service.tokens.is_sent(headers):
        login = service.tokens.get_known(headers) or await service.tokens.check(headers)
        return answer | {"name": login.name, "is_proxied": True}
    session = await service.sessions.find(headers)
    if session is None:
        return answer
    expires = datetime.fromtimestamp(session.expires_at, UTC).isoformat()
    return answer | {"name": session.entry.caller.name, "expires": expires}


@router.post("")
async def log_in(request: Request, service: ServiceDependency) -> Response:
    """Begin a session with the key in the body; the cookie is in the response."""
    exchange = get_exchange(request)
    require_same_origin(exchange.headers)
    require_json(exchange.headers)
    data = await service.bodies.read(exchange.headers, exchange.receive)
    try:
        login = Login.model_validate_json(data)
    except ValidationError:
        raise Invalid((), 'The body is not an object with the field "key"') from None
    cookie = service.sessions.begin(login.key.strip().encode(), exchange.headers)
    return Response(status_code=204, headers={"Set-Cookie": cookie, "Cache-Control": "no-store"})


@router.delete("")
async def log_out(request: Request, service: ServiceDependency) -> Response:
    """End the session of the request, if it has one."""
    headers = get_exchange(request).headers
    require_same_origin(headers)
    session = await service.sessions.find(headers)
    if session is None:
        return Response(status_code=204)
    try:
        cookie = await service.sessions.end(session)
    except LakeError as error:
        raise Unavailable(f"The session has ended on this pod only; try again: {error}") from error
    return Response(status_code=204, headers={"Set-Cookie": cookie})
