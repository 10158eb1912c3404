"""Run a model's ONNX graph on one thread.

The predictor imports this module, so it must not import pandas or scikit-learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from pipeline.errors import RegistryError
from pipeline.model.bundle import ONNX, ONNX_INPUT, ONNX_OUTPUT, Bundle
from pipeline.types import Float32Array, FloatArray

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

BATCH_ROWS = 16_384
"""Number of rows that a graph scores at once."""


def open_session(bundle: Bundle) -> InferenceSession:
    """Open a session on the graph of a bundle.

    Raises:
        RegistryError: If ONNX Runtime cannot load the graph.
    """
    try:
        return open_graph(bundle.files[ONNX])
    except Exception as error:
        raise RegistryError(
            f"{ONNX} of run {bundle.manifest.run_id} cannot be loaded: {error}. Run `train` again."
        ) from error


def open_graph(data: bytes) -> InferenceSession:
    """Open a session on a serialized ONNX graph.

    Raises:
        Exception: What ONNX Runtime raises for data that is no graph.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    # By default ONNX Runtime starts a thread per core of the machine, even if its cgroup has fewer.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def positive_probability(
    session: InferenceSession, rows: Sequence[Sequence[float]] | ArrayLike
) -> FloatArray:
    """Probability of the positive class by an ONNX graph.

    Args:
        session: A session on the graph.
        rows: Features in the order of columns.FEATURES, shape (n_rows, n_features).

    Returns:
        Probabilities, shape (n_rows,).
    """
    return run_graph(session, rows)[:, 1].astype(np.float64)


def run_graph(
    session: InferenceSession, rows: Sequence[Sequence[float]] | ArrayLike
) -> Float32Array:
    """Run a graph on rows, in batches: ONNX Runtime keeps the memory of its largest run.

    Args:
        session: A session on the graph.
        rows: Features in the order of columns.FEATURES, shape (n_rows, n_features).

    Returns:
        The output of the graph, shape (n_rows, n_outputs).
    """
    features = np.asarray(rows, dtype=np.float32)
    batches = [
        session.run([ONNX_OUTPUT], {ONNX_INPUT: features[start : start + BATCH_ROWS]})[0]
        for start in range(0, max(len(features), 1), BATCH_ROWS)
    ]
    return np.concatenate(batches)
