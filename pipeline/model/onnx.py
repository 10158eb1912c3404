"""Scores rows with a model as it is served: its ONNX graph, on one thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.errors import RegistryError
from pipeline.model.bundle import ONNX, ONNX_INPUT, ONNX_OUTPUT, Bundle

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Floats = NDArray[np.float64]


def open_session(bundle: Bundle) -> InferenceSession:
    """A session on the bundle's ONNX graph.

    Raises:
        RegistryError: the bundle has no graph that ONNX Runtime can load.
    """
    try:
        return open_graph(bundle.files[ONNX])
    except Exception as error:
        raise RegistryError(
            f"{ONNX} of run {bundle.manifest.run_id} cannot be loaded: {error}; train again"
        ) from error


def open_graph(data: bytes) -> InferenceSession:
    """A session on an ONNX graph; raises what ONNX Runtime does where it is none."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = (
        1  # else it takes every core it sees, whatever its cgroup says
    )
    options.log_severity_level = 3
    return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def positive_probability(session: Any, rows: Sequence[Sequence[float]] | ArrayLike) -> Floats:
    """Probability [rows] of the positive label for features [rows, features], in the order of columns.FEATURES."""
    probabilities = session.run([ONNX_OUTPUT], {ONNX_INPUT: np.asarray(rows, dtype=np.float32)})[0]
    return np.asarray(probabilities[:, 1], dtype=np.float64)
