"""The JSON messages of the Open Inference Protocol (KServe's v2)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from pipeline.columns import FEATURE_NAMES, FEATURES, PROBABILITY_FIELDS, Category
from pipeline.model.bundle import ONNX_INPUT

WIDTH = len(FEATURE_NAMES)
MAX_TENSORS = 8
"""Largest number of inputs or outputs that are read; the model has one input."""
MAX_DIMENSIONS = 8
"""Largest number of dimensions that are read; the input has two."""
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
    """The protocol allows additional fields."""

    model_config = ConfigDict(extra="allow")


class InputTensor(Tolerant):
    name: str
    shape: Annotated[list[int], Field(max_length=MAX_DIMENSIONS, fail_fast=True)]
    datatype: str
    parameters: dict[str, Any] = {}
    data: list[Any] | None = None


class RequestedOutput(Tolerant):
    name: str
    parameters: dict[str, Any] = {}


class InferRequest(Tolerant):
    """Rows of features, with categories as codes and null or NaN for blanks."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [EXAMPLE_TENSOR]})
    id: str | None = None
    parameters: dict[str, Any] = {}
    inputs: Annotated[
        list[InputTensor], Field(min_length=1, max_length=MAX_TENSORS, fail_fast=True)
    ]
    outputs: Annotated[list[RequestedOutput], Field(max_length=MAX_TENSORS, fail_fast=True)] = []


class OutputTensor(BaseModel):
    name: str
    shape: list[int]
    datatype: str
    data: list[float] | list[str]


class InferParameters(BaseModel):
    warnings: str = Field(
        description="JSON array of the values outside what the model learned from, each with "
        "`row`, `field`, `value` and `learned_from`"
    )


class InferResponse(BaseModel):
    model_name: str
    model_version: str
    id: str | None = None
    parameters: InferParameters | None = Field(
        default=None, description="Only if a value is outside what the model learned from"
    )
    outputs: list[OutputTensor]


class TensorFacts(BaseModel):
    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(BaseModel):
    name: str
    versions: list[str] = Field(
        description="Loaded versions; the first one is used if the request names none"
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
    *(TensorFacts(name=name, datatype="FP32", shape=[-1]) for name in PROBABILITY_FIELDS),
    TensorFacts(name="label", datatype="BYTES", shape=[-1]),
]
