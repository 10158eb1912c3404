"""How many refits of a model give a row the same label as the model does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.model.bundle import ONNX_INPUT, ONNX_OUTPUT, RefitFacts
from pipeline.model.decision import is_positive
from pipeline.model.onnx import open_graph
from serving.http.rows import Matrix

if TYPE_CHECKING:
    from pipeline.types import FloatArray


class Refits:
    """The models of `refits.onnx`. Any thread may use them.

    Args:
        data: The serialized graph.
        facts: Its facts in the manifest.
    """

    def __init__(self, data: bytes, facts: RefitFacts) -> None:
        self._run = open_graph(data).run
        self._thresholds = np.array(facts.thresholds)

    def __len__(self) -> int:
        return len(self._thresholds)

    def positive_fraction(self, rows: Matrix) -> FloatArray:
        """Return the fraction of the refits that predict each row positive.

        Args:
            rows: Features, shape (n_rows, n_features).

        Returns:
            Fractions, shape (n_rows,).

        Raises:
            ValueError: If the graph does not have a column for each threshold.
        """
        probabilities = self._run([ONNX_OUTPUT], {ONNX_INPUT: rows})[0].astype(np.float64)
        if probabilities.shape != (len(rows), len(self)):
            raise ValueError(
                f"the graph of the refits returns the shape {probabilities.shape}, not "
                f"{(len(rows), len(self))}"
            )
        fraction: FloatArray = is_positive(probabilities, self._thresholds).mean(axis=1)
        return fraction
