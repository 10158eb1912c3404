"""The OpenAPI document: FastAPI's, with the schemas of bodies that the routes read themselves."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema
from starlette.responses import JSONResponse

from pipeline.columns import LABEL, SUBJECTS
from serving.http.problems import ProblemDocument
from serving.http.rows import RowModel
from serving.mlflow_tables import Invocation
from serving.oip_schema import InferRequest
from serving.service import Service

DESCRIPTION = f"""Predicts which {SUBJECTS} {LABEL.predicate}, and explains each prediction.

Every response names its model (`X-Model-Version`, and `model` in the body) and its request
(`X-Request-ID`: the client's own id or a new one). Every error is a problem document (RFC 9457).
`GET /model` returns the model's lineage and metrics."""

TEMPLATE = "#/components/schemas/{model}"


def install(app: FastAPI, service: Service) -> None:
    """Make `app.openapi` return the document, and `/openapi.json` respond with it."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes
            )
            models = [
                (model, "validation")
                for model in (RowModel, ProblemDocument, Invocation, InferRequest)
            ]
            _, extra = models_json_schema(models, ref_template=TEMPLATE)  # type: ignore[arg-type] # the mode is a literal
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas |= extra["$defs"]
            rows = service.reader.body.model_json_schema(ref_template=TEMPLATE)
            schemas["Rows"] = {name: value for name, value in rows.items() if name != "$defs"}
            app.openapi_schema = document
        return app.openapi_schema

    async def get_document(_: Request) -> JSONResponse:
        return JSONResponse(app.openapi())

    app.add_api_route("/openapi.json", get_document, include_in_schema=False)
    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way
