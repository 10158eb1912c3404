"""The application: FastAPI's routes and document, behind the front layer."""

from __future__ import annotations

import contextlib
import gc
import json
from collections.abc import AsyncIterator, Mapping

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from serving import openapi, static_files
from serving.http.front import UNEXPECTED, Front
from serving.http.problems import MEDIA_TYPE, Finding, Invalid, Problem, body_of
from serving.routes import classlist, columns, mlflow, oip, operations, predict
from serving.service import Service
from serving.settings import Settings


def build(settings: Settings) -> tuple[ASGIApp, Service]:
    """The ASGI application and the service behind it, whose threads begin with the application's lifespan."""
    service = Service(settings)
    front: ASGIApp = Front(fastapi_of(service), service)
    if origins := settings.predictor.cors_origins:
        shown = ["X-Model-Version", "X-Request-ID"]
        front = CORSMiddleware(
            front,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=shown,
        )
    return front, service


def fastapi_of(service: Service) -> FastAPI:
    """All routes, and the document of them."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        gc.freeze()  # what is here now stays: no collection need look at it again
        yield
        await service.stop()

    app = FastAPI(
        title="Student performance predictor",
        version=service.code_version,
        description=openapi.DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(Exception, _unexpected)
    for routes in (predict, classlist, operations, oip, mlflow):
        app.include_router(routes.router(service))
    app.include_router(columns.router)
    static_files.install(app)
    openapi.install(app)
    return app


def _respond(
    request: Request, body: bytes, status: int, headers: Mapping[str, str] | None = None
) -> Response:
    if request.url.path.startswith(
        "/v2"
    ):  # the Open Inference Protocol's clients look for the member `error`
        document = json.loads(body)
        body = json.dumps(document | {"error": document["detail"]}).encode()
    return Response(body, status, headers, MEDIA_TYPE)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return _respond(request, error.body(), error.status, error.headers)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _respond(
        request, body_of(error.status_code, str(error.detail)), error.status_code, error.headers
    )


async def _validation(request: Request, error: Exception) -> Response:
    """A query or header that cannot be taken; bodies have their own way."""
    assert isinstance(error, RequestValidationError)
    findings = [
        Finding(row=0, field=".".join(str(part) for part in item["loc"]), message=item["msg"])
        for item in error.errors()
    ]
    return await _problem(request, Invalid(findings))


async def _unexpected(request: Request, _: Exception) -> Response:
    return _respond(request, body_of(500, UNEXPECTED), 500)
