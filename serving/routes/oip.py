"""`/v2`: the Open Inference Protocol."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from pipeline.model.bundle import ONNX_INPUT
from serving.http.problems import Invalid, NotFound, WrongType
from serving.http.requests import rows_of
from serving.model.served_model import Model
from serving.oip_schema import (
    HEADER_LENGTH,
    OUTPUTS,
    WIDTH,
    InferResponse,
    Live,
    ModelMetadata,
    ModelReady,
    Ready,
    ServerMetadata,
    TensorFacts,
    features_of,
    read,
    tensors,
)
from serving.routes.predict import model_headers, problems
from serving.service import Service


def router(service: Service) -> APIRouter:
    routes = APIRouter(tags=["open inference protocol"])

    def loaded(name: str, version: str | None) -> Model:
        """The model of that name, the one that answers or the loaded one of that version.

        Raises:
            Unavailable: there is none yet.
            NotFound: it is called otherwise, or that version is not in memory.
        """
        served = service.model()
        if name != served.manifest.name:
            raise NotFound(f"There is no model {name!r}; there is {served.manifest.name!r}")
        if version is None:
            return served
        held = {model.version: model for model in reversed(service.models.held())}
        if version not in held:
            raise NotFound(
                f"Version {version!r} is not in memory; there are {', '.join(sorted(held))}"
            )
        return held[version]

    @routes.get("/v2", summary="Server metadata")
    async def server() -> ServerMetadata:
        return ServerMetadata(
            name="student-mlops", version=service.code_version, extensions=["binary_tensor_data"]
        )

    @routes.get("/v2/health/live", summary="Is the server alive?")
    async def live() -> Live:
        return Live(live=True)

    @routes.get("/v2/health/ready", summary="Can it predict?", responses=problems(503))
    async def ready() -> Ready:
        service.model()
        return Ready(ready=True)

    async def metadata(name: str, version: str | None = None) -> ModelMetadata:
        """Input and output tensors; categories are given by their codes."""
        loaded(name, version)
        return ModelMetadata(
            name=name,
            versions=list(dict.fromkeys(model.version for model in service.models.held())),
            platform="onnxruntime_onnx",
            inputs=[TensorFacts(name=ONNX_INPUT, datatype="FP32", shape=[-1, WIDTH])],
            outputs=OUTPUTS,
        )

    async def model_ready(name: str, version: str | None = None) -> ModelReady:
        """200 when the model is in memory."""
        loaded(name, version)
        return ModelReady(name=name, ready=True)

    async def infer(request: Request, name: str, version: str | None = None) -> Response:
        """The features of any number of rows in one tensor; answers probabilities and labels in two."""
        headers = dict(request.scope["headers"])
        kind = headers.get(b"content-type", b"application/json").split(b";", 1)[0].strip().lower()
        if kind not in (b"application/json", b"application/octet-stream"):
            raise WrongType(kind.decode("latin-1"), "application/json or application/octet-stream")
        data = await service.bodies.whole(headers, request.receive)
        model = loaded(name, version)
        asked, binary = read(data, request.headers.get(HEADER_LENGTH))
        rows = rows_of(features_of(asked, binary))
        if len(rows) > service.settings.max_rows:
            raise Invalid(
                (),
                f"{len(rows)} rows are too many; at most {service.settings.max_rows} in one request",
            )
        scored = await service.predict(model, rows, request.state.request_id)
        body, header_length = tensors(asked, model, scored)
        extra = model_headers(model)
        if header_length is None:
            return Response(body, media_type="application/json", headers=extra)
        extra[HEADER_LENGTH] = str(header_length)
        return Response(body, media_type="application/octet-stream", headers=extra)

    binary: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
    body = {
        "application/json": {"schema": {"$ref": "#/components/schemas/InferRequest"}},
        "application/octet-stream": binary,
    }
    table: list[tuple[str, str, Any, dict[str, Any]]] = [
        ("", "GET", metadata, {"summary": "Model metadata", "responses": problems(404, 422, 503)}),
        (
            "/ready",
            "GET",
            model_ready,
            {"summary": "Is the model ready?", "responses": problems(404, 422, 503)},
        ),
        (
            "/infer",
            "POST",
            infer,
            {
                "summary": "Predict tensors",
                "response_model": InferResponse,
                "responses": {200: {"content": {"application/octet-stream": binary}}}
                | problems(400, 401, 404, 408, 413, 415, 422, 500, 503),
                "openapi_extra": {"requestBody": {"required": True, "content": body}},
            },
        ),
    ]
    for base in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}"):
        for path, verb, endpoint, facts in table:
            routes.add_api_route(base + path, endpoint, methods=[verb], **facts)
    return routes
