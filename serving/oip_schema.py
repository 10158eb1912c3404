"""The Open Inference Protocol's messages (KServe's v2), and tensors out of them and into them.

A body may be in two parts, by the protocol's extension for binary tensors, which stock clients use unless told otherwise.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.columns import FEATURE_NAMES, FEATURES, Category
from pipeline.model.bundle import ONNX_INPUT
from serving.http.problems import BadJson, Invalid
from serving.model.served_model import Model, Scored

HEADER_LENGTH = "Inference-Header-Content-Length"
"""Of a body in two parts: the length of the first one, JSON; tensors follow it as they lie in memory, little-endian."""

DTYPES = {"FP32": "<f4", "FP64": "<f8", "INT64": "<i8", "INT32": "<i4"}
"""Datatypes that the features are taken in."""

WIDTH = len(FEATURE_NAMES)

EXAMPLE_TENSOR: dict[str, Any] = {
    "inputs": [
        {
            "name": ONNX_INPUT,
            "shape": [1, WIDTH],
            "datatype": "FP32",
            "data": [
                f.codes[f.example] if isinstance(f, Category) else f.example for f in FEATURES
            ],
        }
    ]
}


class Tolerant(BaseModel):
    """The protocol lets clients add what they like."""

    model_config = ConfigDict(extra="allow")


class InputTensor(Tolerant):
    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] = {}
    data: list[Any] | None = None


class RequestedOutput(Tolerant):
    name: str
    parameters: dict[str, Any] = {}


class InferRequest(Tolerant):
    """Rows of features, by code where they are categories."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [EXAMPLE_TENSOR]})
    id: str | None = None
    parameters: dict[str, Any] = {}
    inputs: list[InputTensor] = Field(min_length=1)
    outputs: list[RequestedOutput] = []


class OutputTensor(BaseModel):
    name: str
    shape: list[int]
    datatype: str
    data: list[float] | list[str]


class InferResponse(BaseModel):
    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[OutputTensor]


class TensorFacts(BaseModel):
    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(BaseModel):
    name: str
    versions: list[str] = Field(
        description="The versions in memory; the first one answers where none is named"
    )
    platform: str
    inputs: list[TensorFacts]
    outputs: list[TensorFacts]


class ServerMetadata(BaseModel):
    name: str
    version: str
    extensions: list[str]


class Live(BaseModel):
    live: bool


class Ready(BaseModel):
    ready: bool


class ModelReady(BaseModel):
    name: str
    ready: bool


OUTPUTS = [
    TensorFacts(name="fail_probability", datatype="FP32", shape=[-1]),
    TensorFacts(name="label", datatype="BYTES", shape=[-1]),
]


def read(data: bytes, header_length: str | None) -> tuple[InferRequest, bytes]:
    """The request's JSON part, and its binary part.

    Raises:
        BadJson: the JSON part is none.
        Invalid: it is not what the protocol says.
    """
    if header_length is not None and not (
        header_length.isdigit() and int(header_length) <= len(data)
    ):
        raise Invalid((), f"{HEADER_LENGTH} is {header_length!r}, the body has {len(data)} bytes")
    split = len(data) if header_length is None else int(header_length)
    try:
        return InferRequest.model_validate_json(data[:split]), data[split:]
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        if first["type"] == "json_invalid":
            raise BadJson(first["msg"]) from None
        raise Invalid(
            (), f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
        ) from None


def features_of(request: InferRequest, binary: bytes) -> NDArray[np.float64]:
    """The input tensor as numbers [N, features].

    Raises:
        Invalid: it has another name, type or shape.
    """
    tensor = request.inputs[0]
    if len(request.inputs) != 1 or tensor.name != ONNX_INPUT:
        raise Invalid(
            (), f"The one input is {ONNX_INPUT}, [rows, {WIDTH}]: {', '.join(FEATURE_NAMES)}"
        )
    if tensor.datatype not in DTYPES:
        raise Invalid(
            (), f"The datatype is {tensor.datatype!r}; it must be one of {', '.join(DTYPES)}"
        )
    if len(tensor.shape) != 2 or tensor.shape[1] != WIDTH or tensor.shape[0] < 1:
        raise Invalid(
            (), f"The shape is {tensor.shape}; it must be [rows, {WIDTH}], with at least one row"
        )
    size = tensor.parameters.get("binary_data_size")
    try:
        if size is None:
            values = np.array(tensor.data, np.float64).ravel()
        elif size != len(binary):
            raise Invalid(
                (), f"binary_data_size is {size}, {len(binary)} bytes follow the JSON part"
            )
        else:
            values = np.frombuffer(binary, DTYPES[tensor.datatype]).astype(np.float64)
            if (
                tensor.datatype == "FP32"
            ):  # 6.8 in float32 is not quite 6.8; the shortest text of it is
                values = np.array([float(str(value)) for value in np.frombuffer(binary, "<f4")])
    except (ValueError, TypeError, OverflowError):
        raise Invalid((), "The data of the tensor are no numbers") from None
    if values.size != tensor.shape[0] * WIDTH:
        raise Invalid((), f"The shape is {tensor.shape}, the data have {values.size} numbers")
    return values.reshape(tensor.shape)


def tensors(request: InferRequest, model: Model, scored: list[Scored]) -> tuple[bytes, int | None]:
    """The response's body, and the length of its JSON part where tensors follow it."""
    by_default = bool(request.parameters.get("binary_data_output", False))
    wanted = {
        output.name: bool(output.parameters.get("binary_data", by_default))
        for output in request.outputs
    }
    known = {output.name for output in OUTPUTS}
    if unknown := set(wanted) - known:
        raise Invalid((), f"There is no output {sorted(unknown)}; there are {sorted(known)}")
    wanted = wanted or dict.fromkeys((output.name for output in OUTPUTS), by_default)
    values: dict[str, list[Any]] = {
        "fail_probability": [item.probability for item in scored],
        "label": [model.label(item.probability) for item in scored],
    }
    outputs, pieces = [], []
    for facts in OUTPUTS:
        if facts.name not in wanted:
            continue
        output: dict[str, Any] = {
            "name": facts.name,
            "shape": [len(scored)],
            "datatype": facts.datatype,
        }
        if wanted[facts.name]:
            pieces.append(_packed(facts.datatype, values[facts.name]))
            output["parameters"] = {"binary_data_size": len(pieces[-1])}
        else:
            output["data"] = values[facts.name]
        outputs.append(output)
    answer = {"model_name": model.manifest.name, "model_version": model.version, "outputs": outputs}
    if request.id is not None:
        answer["id"] = request.id
    header = json.dumps(answer).encode()
    return b"".join([header, *pieces]), len(header) if pieces else None


def _packed(datatype: str, values: list[Any]) -> bytes:
    if datatype == "FP32":
        return np.array(values, "<f4").tobytes()
    return b"".join(len(text).to_bytes(4, "little") + text.encode() for text in values)
