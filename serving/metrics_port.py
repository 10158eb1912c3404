"""Serve /metrics and /model on a separate port, which callers of the predictor cannot reach.

Neither needs a login. /model has all facts there, also those that the public route leaves out.
"""

from __future__ import annotations

import asyncio
import ssl

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from serving.http.problems import MEDIA_TYPE, Problem, problem_body
from serving.routes.operations import (
    METRICS_PATH,
    METRICS_TYPE,
    MODEL_PATH,
    describe_model,
    generate_metrics,
)
from serving.service import Service


async def listen(
    service: Service,
    host: str,
    port: int,
    state: ServerState,
    tls: ssl.SSLContext | None = None,
) -> asyncio.base_events.Server:
    """Listen on a port for requests of /metrics and /model.

    Args:
        service: The service that they describe.
        host: Address to listen on.
        port: Port to listen on.
        state: State of the predictor's server, which ends the connections when it stops.
        tls: Context of that server for HTTPS; None for HTTP.

    Returns:
        The listening server.

    Raises:
        OSError: If the port is in use.
    """
    config = uvicorn.Config(
        _make_app(service),
        http=HttpToolsProtocol,
        ws="none",
        access_log=False,
        server_header=False,
        log_config=None,  # the predictor's own stays
    )
    config.load()

    def create_protocol() -> asyncio.Protocol:
        return HttpToolsProtocol(config=config, server_state=state, app_state={})

    return await asyncio.get_running_loop().create_server(create_protocol, host, port, ssl=tls)


def _make_app(service: Service) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        is_read = scope["method"] in ("GET", "HEAD")
        status, media_type, body = _respond(service, scope["path"] if is_read else "")
        headers = [
            (b"content-type", media_type.encode()),
            (b"content-length", str(len(body)).encode()),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def _respond(service: Service, path: str) -> tuple[int, str, bytes]:
    """Return the status, media type and body of the response to a GET request."""
    if path == METRICS_PATH:
        return 200, METRICS_TYPE, generate_metrics(service)
    if path == MODEL_PATH:
        try:
            return 200, "application/json", describe_model(service).model_dump_json().encode()
        except Problem as problem:
            return problem.status, MEDIA_TYPE, problem.body()
    detail = f"This port serves only {METRICS_PATH} and {MODEL_PATH}."
    return 404, MEDIA_TYPE, problem_body(404, detail)
