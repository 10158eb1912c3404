"""`/v2`: the Open Inference Protocol."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from pipeline.model.bundle import ONNX_INPUT
from serving.http.numeric_rows import rows_from_numbers
from serving.http.problems import NotFound, WrongType
from serving.model.served_model import Model
from serving.oip_schema import (
    OUTPUTS,
    WIDTH,
    InferResponse,
    Live,
    ModelMetadata,
    ModelReady,
    Ready,
    ServerMetadata,
    TensorFacts,
)
from serving.oip_tensors import (
    HEADER_LENGTH,
    parse_request,
    read_features,
    read_outputs,
    write_response,
)
from serving.routes.common import (
    LogRows,
    ServiceDependency,
    get_exchange,
    model_headers,
    problems,
)
from serving.service import Service

router = APIRouter(tags=["open inference protocol"])

BASES = ("/v2/models/{name}", "/v2/models/{name}/versions/{version}")
"""Paths of a model: the served version, or any loaded one."""
BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": BINARY}}
}
BODY_TYPES = {
    "application/json": {"schema": {"$ref": "#/components/schemas/InferRequest"}},
    "application/octet-stream": BINARY,
}


def get_model(service: Service, name: str, version: str | None) -> Model:
    """Return the served model, or the loaded one of this version.

    Raises:
        Unavailable: If no model is loaded.
        NotFound: If the model has another name, or the version is not loaded.
    """
    served = service.model()
    if name != served.manifest.name:
        raise NotFound(f"Unknown model {name!r}; the model is {served.manifest.name!r}")
    if version is None:
        return served
    loaded = {model.version: model for model in reversed(service.models.loaded())}
    if version not in loaded:
        raise NotFound(
            f"Version {version!r} is not loaded; loaded versions: {', '.join(sorted(loaded))}"
        )
    return loaded[version]


@router.get("/v2", summary="Server metadata", responses=problems(401, 403))
async def server(service: ServiceDependency) -> ServerMetadata:
    return ServerMetadata(
        name="student-mlops", version=service.code_version, extensions=["binary_tensor_data"]
    )


@router.get("/v2/health/live", summary="Is the server alive?")
async def live() -> Live:
    return Live(live=True)


@router.get("/v2/health/ready", summary="Can it predict?", responses=problems(503))
async def ready(service: ServiceDependency) -> Ready:
    service.check_accepts_traffic()
    service.stop_watcher.check()
    service.model()
    return Ready(ready=True)


async def metadata(
    service: ServiceDependency, name: str, version: str | None = None
) -> ModelMetadata:
    """Input and output tensors; categories are given by their codes."""
    get_model(service, name, version)
    return ModelMetadata(
        name=name,
        versions=list(dict.fromkeys(model.version for model in service.models.loaded())),
        platform="onnxruntime_onnx",
        inputs=[TensorFacts(name=ONNX_INPUT, datatype="FP32", shape=[-1, WIDTH])],
        outputs=OUTPUTS,
    )


async def model_ready(
    service: ServiceDependency, name: str, version: str | None = None
) -> ModelReady:
    """200 if the model is loaded, and answers are not stopped."""
    service.stop_watcher.check()
    get_model(service, name, version)
    return ModelReady(name=name, ready=True)


async def infer(
    request: Request,
    service: ServiceDependency,
    name: str,
    version: str | None = None,
    log: LogRows = True,
) -> Response:
    """Send the features of any number of rows as one tensor; returns probabilities and labels."""
    exchange = get_exchange(request)
    content_type = exchange.content_type
    if content_type not in ("", *BODY_TYPES):
        raise WrongType(content_type, " or ".join(BODY_TYPES))
    data = await service.bodies.read(exchange.headers, exchange.receive)
    model = get_model(service, name, version)
    max_rows = service.settings.max_rows
    asked, binary = parse_request(data, request.headers.get(HEADER_LENGTH), max_rows)
    outputs = read_outputs(asked)
    rows = rows_from_numbers(read_features(asked, binary, max_rows))
    scored = await service.predict(model, rows, exchange, log)
    body, header_length = write_response(asked, outputs, model, scored)
    extra = model_headers(model)
    if header_length is None:
        return Response(body, media_type="application/json", headers=extra)
    extra[HEADER_LENGTH] = str(header_length)
    return Response(body, media_type="application/octet-stream", headers=extra)


for base in BASES:
    router.add_api_route(
        base, metadata, summary="Model metadata", responses=problems(401, 403, 404, 422, 503)
    )
    router.add_api_route(
        f"{base}/ready",
        model_ready,
        summary="Is the model ready?",
        responses=problems(401, 403, 404, 422, 503),
    )
    router.add_api_route(
        f"{base}/infer",
        infer,
        methods=["POST"],
        summary="Predict tensors",
        response_model=InferResponse,
        responses=RESPONSES | problems(400, 401, 403, 404, 408, 413, 415, 422, 429, 500, 503),
        openapi_extra={"requestBody": {"required": True, "content": BODY_TYPES}},
    )
