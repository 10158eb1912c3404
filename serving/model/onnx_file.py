"""Reads the nodes of a serialized ONNX graph.

ONNX Runtime runs a graph, but has no interface to its nodes, and the package `onnx` would add
50 MB to the image. So the fields that are read are declared here, with their numbers in ONNX's
onnx.proto. A message keeps the fields that are not declared, and can be serialized again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "Model": {"graph": (7, "Graph")},
    "Graph": {"node": (1, "Node*"), "initializer": (5, "Tensor*"), "output": (12, "Value*")},
    "Node": {
        "input": (1, "string*"),
        "output": (2, "string*"),
        "op_type": (4, "string"),
        "attribute": (5, "Attribute*"),
    },
    "Attribute": {
        "name": (1, "string"),
        "f": (2, "float"),
        "i": (3, "int64"),
        "s": (4, "bytes"),
        "floats": (7, "float*"),
        "ints": (8, "int64*"),
        "strings": (9, "bytes*"),
        "type": (20, "int32"),
    },
    "Tensor": {
        "float_data": (4, "float*"),
        "int64_data": (7, "int64*"),
        "name": (8, "string"),
        "raw_data": (9, "bytes"),
        "data_type": (2, "int32"),
    },
    "Value": {"name": (1, "string")},
}
"""Number and type of each field; a star marks a list."""

_TENSOR_TYPES = {1: ("float_data", np.float32), 7: ("int64_data", np.int64)}
"""By ONNX's number of a tensor's type: the field with its values, and their type."""

_ATTRIBUTES: dict[int, Callable[[Any], Any]] = {
    1: lambda attribute: attribute.f,
    2: lambda attribute: attribute.i,
    3: lambda attribute: attribute.s,
    6: lambda attribute: np.array(attribute.floats, np.float32),
    7: lambda attribute: np.array(attribute.ints, np.int64),
    8: lambda attribute: np.array(attribute.strings, np.bytes_),
}
"""By ONNX's number of an attribute's type: how its value is read."""


class UnsupportedGraph(Exception):
    """A graph that cannot be explained exactly; the message is the reason."""


class OnnxFile:
    """A serialized ONNX graph.

    Attributes:
        nodes: The graph's nodes, each after those whose outputs it reads. A node has `op_type`,
            `input` and `output`.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._model = _get_message_class().FromString(data)
        self.nodes: list[Any] = list(self._model.graph.node)

    def find_consumer(self, name: str, operator: str) -> Any | None:
        """Return the first node of this operator that reads the tensor, or None."""
        for node in self.nodes:
            if node.op_type == operator and name in node.input:
                return node
        return None

    def read_number(self, node: Any) -> float | None:
        """Return the constant that a node reads, if it is one number."""
        for tensor in self._model.graph.initializer:
            if tensor.name in node.input and tensor.data_type in _TENSOR_TYPES:
                field, kind = _TENSOR_TYPES[tensor.data_type]
                values = np.array(getattr(tensor, field), kind)
                if not values.size:
                    values = np.frombuffer(tensor.raw_data, kind)
                return float(values[0]) if values.size == 1 else None
        return None

    def cut_before(self, node: Any) -> bytes:
        """Serialize the part of the graph that computes the first input of a node."""
        model = _get_message_class().FromString(self._data)
        graph = model.graph
        del graph.node[self.nodes.index(node) :]
        del graph.output[:]
        graph.output.add().name = node.input[0]
        data: bytes = model.SerializeToString()
        return data


def read_attributes(node: Any) -> dict[str, Any]:
    """Return the attributes of a node by name: numbers, bytes or arrays."""
    return {
        attribute.name: _ATTRIBUTES[attribute.type](attribute)
        for attribute in node.attribute
        if attribute.type in _ATTRIBUTES
    }


@functools.cache
def _get_message_class() -> Any:
    """Return the class of a serialized model."""
    file = descriptor_pb2.FileDescriptorProto(name="onnx_part.proto", package="onnx_part")
    kinds = descriptor_pb2.FieldDescriptorProto
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, declared) in fields.items():
            kind, star, _ = declared.partition("*")
            added = message.field.add(name=field, number=number)
            added.label = kinds.LABEL_REPEATED if star else kinds.LABEL_OPTIONAL
            if kind in _MESSAGES:
                added.type, added.type_name = kinds.TYPE_MESSAGE, f".onnx_part.{kind}"
            else:
                added.type = getattr(kinds, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("onnx_part.Model"))
