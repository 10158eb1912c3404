"""The application: FastAPI's routes and document, behind the front layer."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import AsyncIterator

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from pipeline.settings import Settings
from serving import dictionary, site
from serving.front import UNEXPECTED, Front
from serving.problems import MEDIA_TYPE, Finding, Invalid, Problem, document
from serving.routes import operations, predict
from serving.service import Service


def build(settings: Settings) -> tuple[ASGIApp, Service]:
    """The ASGI application and the service behind it, whose threads begin with the application's lifespan."""
    service = Service(settings)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        gc.freeze()  # what is here now stays: no collection need look at it again
        yield
        await service.stop()

    app = FastAPI(
        title="Student performance predictor",
        version=settings.code_version,
        description=__doc__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(Exception, _unexpected)
    for routes in (predict.router(service), operations.router(service), dictionary.router):
        app.include_router(routes)
    site.install(app)
    return Front(app, service), service


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return Response(error.body(), error.status, dict(error.headers), MEDIA_TYPE)


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return Response(document(error.status_code, str(error.detail)), error.status_code, dict(error.headers or {}), MEDIA_TYPE)


async def _validation(request: Request, error: Exception) -> Response:
    """A query or header that cannot be taken; bodies have their own way."""
    assert isinstance(error, RequestValidationError)
    findings = [Finding(row=0, field=".".join(str(part) for part in item["loc"]), message=item["msg"]) for item in error.errors()]
    return await _problem(request, Invalid(findings))


async def _unexpected(_: Request, __: Exception) -> Response:
    return Response(document(500, UNEXPECTED), 500, media_type=MEDIA_TYPE)
