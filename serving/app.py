"""Builds the application: FastAPI's routes and OpenAPI document inside the middleware."""

from __future__ import annotations

import contextlib
import gc
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from pipeline.columns import TITLE
from serving import openapi, static_files
from serving.http.problems import (
    MEDIA_TYPE,
    UNEXPECTED,
    Finding,
    Invalid,
    Problem,
    problem_body,
)
from serving.middleware import Middleware
from serving.routes import columns, mlflow, oip, operations, predict, predict_csv, reports, session
from serving.routes.common import authorize, get_exchange
from serving.service import Service
from serving.settings import Settings


def build(settings: Settings) -> tuple[ASGIApp, Service]:
    """Build the ASGI application and its service, whose threads start with the application."""
    service = Service(settings)
    app: ASGIApp = Middleware(create_fastapi(service), service)
    if origins := settings.predictor.cors_origins:
        app = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=["X-Model-Version", "X-Request-ID"],
        )
    return app, service


def create_fastapi(service: Service) -> FastAPI:
    """Create the FastAPI application with all routes."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        gc.freeze()  # what exists now stays; collections need not visit it again
        yield
        await service.stop()

    app = FastAPI(
        title=f"{TITLE} predictor",
        version=service.code_version,
        description=openapi.DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,  # openapi.install adds one that checks the login
        dependencies=[Depends(authorize)],
    )
    app.state.service = service
    app.add_exception_handler(Problem, _handle_problem)
    app.add_exception_handler(HTTPException, _handle_http)
    app.add_exception_handler(RequestValidationError, _handle_validation)
    app.add_exception_handler(Exception, _handle_unexpected)
    for module in (predict, predict_csv, operations, oip, mlflow, columns, reports, session):
        app.include_router(module.router)
    if service.settings.metrics_port is None:
        app.include_router(operations.metrics_router)
    static_files.install(app)
    openapi.install(app, service)
    return app


def _respond(
    request: Request, body: bytes, status: int, headers: Mapping[str, str] | None = None
) -> Response:
    if request.url.path.startswith("/v2"):
        # Clients of the Open Inference Protocol read the field `error`.
        document = json.loads(body)
        body = json.dumps(document | {"error": _summarize(document)}).encode()
    return Response(body, status, headers, MEDIA_TYPE)


def _summarize(document: dict[str, Any]) -> str:
    """Return a problem's detail with its first finding, for clients that show nothing else."""
    detail: str = document["detail"]
    if not document["errors"]:
        return detail
    first = document["errors"][0]
    return f"{detail}: row {first['row']}, {first['field']}: {first['message']}"


async def _handle_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    get_exchange(request).is_body_unread = error.is_body_unread
    if reports.is_for_a_browser(request):
        return reports.make_problem_page(request, error)
    service: Service = request.app.state.service
    body = service.describe(error, request.scope["path"])
    return _respond(request, body, error.status, error.get_headers())


async def _handle_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    body = problem_body(error.status_code, str(error.detail))
    return _respond(request, body, error.status_code, error.headers)


async def _handle_validation(request: Request, error: Exception) -> Response:
    """Invalid query parameters or headers; the routes validate bodies themselves."""
    assert isinstance(error, RequestValidationError)
    findings = [
        Finding(row=0, field=".".join(str(part) for part in item["loc"]), message=item["msg"])
        for item in error.errors()
    ]
    return await _handle_problem(request, Invalid(findings))


async def _handle_unexpected(request: Request, _: Exception) -> Response:
    return _respond(request, problem_body(500, UNEXPECTED), 500)
