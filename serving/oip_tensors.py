"""Reading and writing the tensors of the Open Inference Protocol.

A body may have two parts, JSON and binary tensors (the protocol's binary tensor data extension),
which stock clients use by default.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from pipeline.columns import FEATURE_NAMES, HAS_BLANKS, PROBABILITY_FIELDS
from pipeline.model.bundle import ONNX_INPUT
from pipeline.model.training_range import rows_to_json
from serving.http.problems import BadJson, Invalid
from serving.http.requests import refuse_oversized
from serving.model.served_model import Model, ScoredRow
from serving.oip_schema import OUTPUTS, WIDTH, InferRequest, InputTensor

HEADER_LENGTH = "Inference-Header-Content-Length"
"""Header with the length of the JSON part; little-endian tensors follow it."""
LENGTH = re.compile(r"[0-9]{1,10}")
"""Values of that header; `str.isdigit` also accepts digits that `int` does not."""
MAX_QUOTED_LENGTH = 50
"""Characters of a value quoted in an error."""

DTYPES = {"FP32": "<f4", "FP64": "<f8", "INT64": "<i8", "INT32": "<i4"}
"""Datatypes accepted for the features, with numpy's names."""
ACCEPTED = {int, float, type(None)} if HAS_BLANKS else {int, float}
"""Types of the items of a tensor in JSON."""
MAX_READ_ERRORS = 100
"""Up to this many errors of validation are read, of which the first is returned."""


def parse_request(
    data: bytes, header_length: str | None, max_rows: int
) -> tuple[InferRequest, bytes]:
    """Split a body into its JSON part and its binary part.

    Args:
        data: The body.
        header_length: Value of the header Inference-Header-Content-Length, if it was sent.
        max_rows: Largest number of rows in a request.

    Raises:
        BadJson: If the first part is not JSON.
        Invalid: If it does not follow the protocol.
    """
    if header_length is not None and not (
        LENGTH.fullmatch(header_length) and int(header_length) <= len(data)
    ):
        header_length = header_length[:MAX_QUOTED_LENGTH]
        raise Invalid(
            (), f"{HEADER_LENGTH} is {header_length!r}, but the body has {len(data)} bytes"
        )
    split = len(data) if header_length is None else int(header_length)
    refuse_oversized(data[:split], max_rows)
    try:
        return InferRequest.model_validate_json(data[:split]), data[split:]
    except ValidationError as error:
        if error.error_count() > MAX_READ_ERRORS:
            raise Invalid(
                (), f"The request has {error.error_count()} errors; see /docs for its shape"
            ) from None
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        if first["type"] == "json_invalid":
            raise BadJson(first["msg"]) from None
        place = ".".join(str(part) for part in first["loc"])
        raise Invalid((), f"{place}: {first['msg']}") from None


def read_features(request: InferRequest, binary: bytes, max_rows: int) -> NDArray[np.float64]:
    """Return the input tensor.

    Args:
        request: The JSON part of the body.
        binary: The binary part, empty if there is none.
        max_rows: Largest number of rows in a request.

    Returns:
        Features, shape (n_rows, n_features).

    Raises:
        Invalid: If the tensor has another name, datatype or shape, or too many rows.
    """
    tensor = request.inputs[0]
    if len(request.inputs) != 1 or tensor.name != ONNX_INPUT:
        raise Invalid(
            (),
            f"There must be one input, {ONNX_INPUT} of shape [rows, {WIDTH}]: "
            f"{', '.join(FEATURE_NAMES)}",
        )
    if tensor.datatype not in DTYPES:
        raise Invalid(
            (), f"The datatype is {tensor.datatype!r}; it must be one of {', '.join(DTYPES)}"
        )
    if len(tensor.shape) != 2 or tensor.shape[1] != WIDTH or tensor.shape[0] < 1:
        raise Invalid(
            (), f"The shape is {tensor.shape}; it must be [rows, {WIDTH}] with at least one row"
        )
    if tensor.shape[0] > max_rows:
        raise Invalid((), f"{tensor.shape[0]} rows are too many; at most {max_rows} in one request")
    values = _read_values(tensor, binary)
    if values.size != tensor.shape[0] * WIDTH:
        raise Invalid((), f"The shape is {tensor.shape}, but there are {values.size} numbers")
    return values.reshape(tensor.shape)


def _read_values(tensor: InputTensor, binary: bytes) -> NDArray[np.float64]:
    size = tensor.parameters.get("binary_data_size")
    if size is not None and size != len(binary):
        raise Invalid(
            (), f"binary_data_size is {size}, but {len(binary)} bytes follow the JSON part"
        )
    count = tensor.shape[0] * WIDTH
    try:
        if size is None:
            data = tensor.data
            if data is not None and len(data) > count:  # before numpy reads them all
                raise Invalid((), f"The shape is {tensor.shape}, but there are {len(data)} numbers")
            return _to_array(data or [])
        values = np.frombuffer(binary, DTYPES[tensor.datatype])
        if values.size > count:
            return values.astype(np.float64)  # refused by its shape
        if tensor.datatype == "FP32":
            # The float32 nearest to 6.8 is not 6.8 as float64; its shortest text is.
            return np.array([float(str(value)) for value in values])
        return values.astype(np.float64)
    except (ValueError, TypeError, OverflowError):
        raise Invalid((), "The tensor's data are not numbers") from None


def _to_array(data: list[Any]) -> NDArray[np.float64]:
    """Return the numbers of a list, or of a list of lists; NaN for null.

    Raises:
        ValueError: If the lists differ in length, or an item is not a number; numpy would accept
            texts and booleans.
    """
    is_nested = bool(data) and isinstance(data[0], list)
    items = list(chain.from_iterable(data)) if is_nested else data
    if not {type(item) for item in items} <= ACCEPTED:
        raise ValueError
    return np.array(data, np.float64).ravel()


def read_outputs(request: InferRequest) -> dict[str, bool]:
    """Return the requested outputs, each with whether it is sent as bytes; by default all.

    Raises:
        Invalid: If the request names an unknown output.
    """
    binary_by_default = bool(request.parameters.get("binary_data_output", False))
    wanted = {
        output.name: bool(output.parameters.get("binary_data", binary_by_default))
        for output in request.outputs
    }
    known = {output.name for output in OUTPUTS}
    if unknown := set(wanted) - known:
        raise Invalid((), f"Unknown output {sorted(unknown)}; the outputs are {sorted(known)}")
    return wanted or dict.fromkeys((output.name for output in OUTPUTS), binary_by_default)


def write_response(
    request: InferRequest, wanted: Mapping[str, bool], model: Model, scored: Sequence[ScoredRow]
) -> tuple[bytes, int | None]:
    """Write predictions as the requested tensors.

    Args:
        request: The JSON part of the request.
        wanted: The requested outputs, from `read_outputs`.
        model: The model that made the predictions.
        scored: The predictions.

    Returns:
        The body, and the length of its JSON part if binary tensors follow it.
    """
    probabilities = [row.probability for row in scored]
    values: dict[str, list[Any]] = {
        **dict.fromkeys(PROBABILITY_FIELDS, probabilities),
        "label": [model.label(probability) for probability in probabilities],
    }
    outputs, pieces = [], []
    for facts in OUTPUTS:
        if facts.name not in wanted:
            continue
        output: dict[str, Any] = facts.model_dump() | {"shape": [len(scored)]}
        if wanted[facts.name]:
            pieces.append(_pack(facts.datatype, values[facts.name]))
            output["parameters"] = {"binary_data_size": len(pieces[-1])}
        else:
            output["data"] = values[facts.name]
        outputs.append(output)
    answer: dict[str, Any] = {
        "model_name": model.manifest.name,
        "model_version": model.version,
        "outputs": outputs,
    }
    warnings = [row.warnings for row in scored]
    if any(warnings):
        answer["parameters"] = {"warnings": rows_to_json(warnings)}
    if request.id is not None:
        answer["id"] = request.id
    header = json.dumps(answer).encode()
    return b"".join([header, *pieces]), len(header) if pieces else None


def _pack(datatype: str, values: list[Any]) -> bytes:
    """Encode a tensor as the binary tensor data extension defines it."""
    if datatype == "FP32":
        return np.array(values, "<f4").tobytes()
    texts = [text.encode() for text in values]
    return b"".join(len(text).to_bytes(4, "little") + text for text in texts)
