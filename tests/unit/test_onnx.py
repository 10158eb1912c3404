"""Scoring with an ONNX graph."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from pipeline.model import onnx
from pipeline.model.bundle import ONNX_INPUT
from tests.support.forest import make_bundle


def test_a_large_table_is_scored_in_batches() -> None:
    """ONNX Runtime keeps the memory of its largest run; the probabilities are the same."""
    session = onnx.open_session(make_bundle())
    sizes: list[int] = []

    def run(names: list[str], inputs: dict[str, Any]) -> Any:
        sizes.append(len(inputs[ONNX_INPUT]))
        return session.run(names, inputs)

    rows = np.random.default_rng(0).uniform(0, 50, (2 * onnx.BATCH_ROWS + 5, 5)).astype(np.float32)
    recorded: Any = SimpleNamespace(run=run)
    found = onnx.positive_probability(recorded, rows)
    assert sizes == [onnx.BATCH_ROWS, onnx.BATCH_ROWS, 5]
    assert found[-5:].tolist() == onnx.positive_probability(session, rows[-5:]).tolist()
    assert len(found) == len(rows)
    assert onnx.positive_probability(session, rows[:0]).tolist() == []
