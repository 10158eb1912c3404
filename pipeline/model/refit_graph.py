"""Export the refits of a candidate as one ONNX graph, so that predictors can run them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.columns import FEATURES
from pipeline.model.bundle import ONNX_INPUT, ONNX_OUTPUT, RefitFacts
from pipeline.model.export import convert, serialize
from pipeline.model.stability import MIN_REFITS, Refits

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto


def export_refits(refits: Refits, max_bytes: int) -> tuple[bytes, RefitFacts] | None:
    """Export the refits, or as many of them as fit into a number of bytes.

    Args:
        refits: The fitted models.
        max_bytes: Largest sum of the sizes of their graphs.

    Returns:
        The serialized graph, float32 (n_rows, n_features) to float32 (n_rows, n_refits), and its
        facts for the manifest; None if fewer than MIN_REFITS fit.
    """
    graphs: list[ModelProto] = []
    size = 0
    for refit in refits.models:
        graph = convert(refit.model)
        size += graph.ByteSize()
        if size > max_bytes:
            break
        graphs.append(graph)
    if len(graphs) < MIN_REFITS:
        return None
    thresholds = [refit.threshold for refit in refits.models[: len(graphs)]]
    facts = RefitFacts(fraction=refits.fraction, thresholds=thresholds)
    return serialize(_combine(graphs)), facts


def _combine(models: list[ModelProto]) -> ModelProto:
    """Combine graphs with the same input: the output has the positive column of each."""
    from onnx import TensorProto, helper, numpy_helper

    merger = _Merger()
    column = merger.add_initializer(numpy_helper.from_array(np.array([1])))
    positives = []
    for index, model in enumerate(models):
        output = merger.add_graph(model.graph)
        positives.append(f"positive{index}")
        merger.nodes.append(helper.make_node("Gather", [output, column], positives[-1:], axis=1))
    merger.nodes.append(helper.make_node("Concat", positives, [ONNX_OUTPUT], axis=1))
    graph = helper.make_graph(
        merger.nodes,
        "refits",
        [helper.make_tensor_value_info(ONNX_INPUT, TensorProto.FLOAT, [None, len(FEATURES)])],
        [helper.make_tensor_value_info(ONNX_OUTPUT, TensorProto.FLOAT, [None, len(models)])],
        merger.initializers,
    )
    first = models[0]
    return helper.make_model(
        graph, opset_imports=list(first.opset_import), ir_version=first.ir_version
    )


class _Merger:
    """Collects the nodes of several graphs, equal ones once: refits share their transformers."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.initializers: list[TensorProto] = []
        self._names: dict[bytes, list[str]] = {}
        """What a tensor or node is, without names -> its names in the merged graph."""

    def add_initializer(self, tensor: TensorProto) -> str:
        """Add a constant; return its name."""
        tensor.name = ""
        key = tensor.SerializeToString(deterministic=True)
        if key not in self._names:
            tensor.name = f"constant{len(self.initializers)}"
            self._names[key] = [tensor.name]
            self.initializers.append(tensor)
        return self._names[key][0]

    def add_graph(self, graph: GraphProto) -> str:
        """Add what the probabilities of a graph depend on; return their name."""
        names = {"": "", ONNX_INPUT: ONNX_INPUT}
        needed, nodes = {ONNX_OUTPUT}, []
        for node in reversed(graph.node):
            if needed & set(node.output):
                needed.update(node.input)
                nodes.append(node)
        for tensor in graph.initializer:
            name = tensor.name
            if name in needed:
                names[name] = self.add_initializer(tensor)
        for node in reversed(nodes):
            outputs = list(node.output)
            names.update(zip(outputs, self._add_node(node, names), strict=True))
        return names[ONNX_OUTPUT]

    def _add_node(self, node: NodeProto, names: dict[str, str]) -> list[str]:
        """Add a node, whose inputs have these names; return the names of its outputs."""
        count = len(node.output)
        node.name, node.input[:], node.output[:] = "", [names[name] for name in node.input], []
        key = node.SerializeToString(deterministic=True)
        if key not in self._names:
            self._names[key] = [f"node{len(self.nodes)}_{index}" for index in range(count)]
            node.output[:] = self._names[key]
            self.nodes.append(node)
        return self._names[key]
