"""`POST /predict`: one student or many, as JSON."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Query, Request, Response

from serving.http.problems import MEDIA_TYPE, ProblemDocument
from serving.http.requests import EXAMPLE
from serving.http.responses import Answer
from serving.model.served_model import Model
from serving.service import Service, answer_body


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problem documents of these statuses, for the OpenAPI document."""
    shape = {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}
    return {
        status: {"description": DESCRIPTIONS[status], "content": {MEDIA_TYPE: shape}}
        for status in statuses
    }


DESCRIPTIONS = {
    400: "The body is no JSON",
    401: "The API key is missing or wrong",
    404: "There is no such model or version",
    408: "The body did not arrive in time",
    413: "The body is larger than the limit",
    415: "The content type is not one that is read here",
    422: "The body is readable, but its values cannot be taken; `errors` says which and why",
    500: "The model failed",
    503: "There is no model yet, or too many requests are in work",
}


LOG: Any = Query(
    default=True,
    description="False keeps these rows out of the live traffic that drift is judged by: for rows that are nobody's",
)


def model_headers(model: Model) -> dict[str, str]:
    return {"X-Model-Version": model.version}


def router(service: Service) -> APIRouter:
    routes = APIRouter(tags=["predict"])
    schema = service.reader.body.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    body = {
        "required": True,
        "content": {
            "application/json": {
                "schema": schema,
                "examples": {
                    "one": {"summary": "One student", "value": EXAMPLE},
                    "many": {"summary": "Several", "value": [EXAMPLE]},
                },
            }
        },
    }

    @routes.post(
        "/predict",
        summary="Predict one student or many",
        response_model=Answer,
        response_model_exclude_none=True,
        responses=problems(400, 401, 408, 413, 415, 422, 500, 503),
        openapi_extra={"requestBody": body},
    )
    async def predict(
        request: Request,
        explain: bool = Query(
            default=False,
            description="Say what each feature adds to the probability: exact Shapley values",
        ),
        log: bool = LOG,
    ) -> Response:
        """One object, or an array of them; answers in the same order. Categories by name or by the survey's code."""
        data = await service.bodies.json(dict(request.scope["headers"]), request.receive)
        model = service.model()
        rows = service.reader.rows(data)
        explanations = await service.explain(model, rows) if explain else ()
        scored = await service.predict(model, rows, request.state.request_id, log)
        return Response(
            answer_body(model, scored, explanations),
            headers=model_headers(model),
            media_type="application/json",
        )

    return routes


__all__ = ["ProblemDocument", "problems", "router"]
