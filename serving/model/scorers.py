"""Functions that score rows with the model file of a bundle."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline.model.acceptance import ModelRefused
from pipeline.model.bundle import ONNX, ONNX_INPUT, ONNX_OUTPUT, PICKLE
from pipeline.model.onnx import open_graph
from serving.http.rows import Matrix

Scorer = Callable[[Matrix], Matrix]
"""Maps rows, shape (n_rows, n_features), to probabilities of the positive label, (n_rows,)."""


def onnx_scorer(data: bytes) -> Scorer:
    """Return a scorer that runs an ONNX graph on the calling thread."""
    session = open_graph(data)
    run, outputs = session.run, [ONNX_OUTPUT]

    def score(matrix: Matrix) -> Matrix:
        probabilities: Matrix = run(outputs, {ONNX_INPUT: matrix})[0][:, 1]
        return probabilities

    return score


def pickle_scorer(data: bytes) -> Scorer:
    """Return a scorer of a pickled scikit-learn model.

    The caller has compared the file's hash with the manifest that our own stage wrote.

    Raises:
        ModelRefused: If scikit-learn is not installed.
    """
    import pickle

    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise ModelRefused(
            f"only {PICKLE} is present: install the group `serving-pickle`, or provide {ONNX}"
        ) from error
    estimator = pickle.loads(data)  # noqa: S301 - see above

    def score(matrix: Matrix) -> Matrix:
        probabilities: Matrix = estimator.predict_proba(matrix)[:, 1].astype(np.float32)
        return probabilities

    return score
