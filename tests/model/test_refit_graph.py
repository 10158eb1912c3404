"""The graph of the refits predicts what the refits predict."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.model import onnx
from pipeline.model.bundle import ONNX_INPUT, ONNX_OUTPUT
from pipeline.model.export import convert, make_extreme_rows, to_onnx
from pipeline.model.refit_graph import export_refits
from pipeline.model.stability import MIN_REFITS, Refits
from pipeline.model.training import TrainingResult
from tests.support.forest import train_refits

MAX_BYTES = 4 << 20


@pytest.fixture(params=["logistic", "forest"])
def refits(request: pytest.FixtureRequest) -> Refits:
    """Refits with shared transformers and with none."""
    if request.param == "forest":
        return train_refits()
    learned: TrainingResult = request.getfixturevalue("learned")
    return learned.refits


def test_each_column_is_a_refit(refits: Refits, learned: TrainingResult) -> None:
    """Probabilities and labels are those of the fitted models, in their order."""
    exported = export_refits(refits, MAX_BYTES)
    assert exported is not None
    data, facts = exported
    assert facts.fraction == refits.fraction
    assert facts.thresholds == [refit.threshold for refit in refits.models]
    rows = np.vstack([learned.data.rows, make_extreme_rows()])
    served = onnx.open_graph(data).run([ONNX_OUTPUT], {ONNX_INPUT: rows})[0]
    expected = np.column_stack([refit.predict(rows).probability for refit in refits.models])
    assert served == pytest.approx(expected, abs=1e-6)
    labels = np.column_stack([refit.predict(rows).positive for refit in refits.models])
    assert np.array_equal(served >= np.array(facts.thresholds), labels)
    assert len(np.unique(served, axis=1).T) > 1


def test_equal_nodes_are_stored_once(learned: TrainingResult) -> None:
    """Refits share bins and pairs of features: 20 of them are no larger than 5 models."""
    exported = export_refits(learned.refits, MAX_BYTES)
    assert exported is not None
    assert len(exported[0]) < 5 * len(to_onnx(learned.final.model))
    assert export_refits(learned.refits, MAX_BYTES) == exported


def test_large_refits_are_left_out() -> None:
    """As many are kept as fit; too few of them would say little."""
    refits = train_refits()
    sizes = np.cumsum([convert(refit.model).ByteSize() for refit in refits.models])
    assert len(refits.models) == MIN_REFITS
    more = Refits([*refits.models, refits.models[0]], refits.fraction)
    exported = export_refits(more, int(sizes[-1]))
    assert exported is not None
    assert len(exported[1].thresholds) == MIN_REFITS
    assert export_refits(more, int(sizes[-1]) - 1) is None
