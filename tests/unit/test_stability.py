"""How many labels depend on which rows a model was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from pipeline.columns import FEATURES
from pipeline.model.calibration import FittedModel
from pipeline.model.candidates import CANDIDATES
from pipeline.model.stability import REFITS, Refits, measure_stability, refit_on_subsets
from pipeline.model.training_data import TrainingData
from pipeline.settings.training import TrainSettings
from pipeline.types import FloatArray

DATA = TrainingData(np.arange(4, dtype=np.float32)[:, None], np.array([0, 0, 1, 1]))


@dataclass
class Step:
    """A model whose probability is 1 from a value on."""

    first: float

    def predict_proba(self, rows: FloatArray) -> FloatArray:
        positive = (rows[:, 0] >= self.first).astype(np.float64)
        return np.column_stack([1 - positive, positive])


def fit(first: float) -> FittedModel:
    return FittedModel(cast(Any, Step(first)), 0.5)


def test_rows_with_another_label_are_counted() -> None:
    """Two of three refits differ from the model, in one row and in two."""
    stability = measure_stability(fit(2), Refits([fit(2), fit(3), fit(0)], 0.5), DATA)
    assert (stability.rows, stability.changed, stability.refits) == (4, 3, 3)
    assert stability.mean_changed == (0 + 1 + 2) / 12
    assert "The label of 3 of 4 rows (75.0%) depends on which rows" in stability.sentence


def test_equal_refits_change_nothing() -> None:
    """A model that does not depend on the rows is stable."""
    stability = measure_stability(fit(2), Refits([fit(2)] * 5, 0.5), DATA)
    assert (stability.changed, stability.mean_changed) == (0, 0)


def test_refits_see_half_of_the_rows() -> None:
    """If a class would be too small for the folds of the calibration, they see more."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(200, len(FEATURES))).astype(np.float32)
    for positives, fraction in ((40, 0.5), (7, 6 / 7)):
        labels = (np.arange(200) < positives).astype(int)
        data, settings = TrainingData(rows, labels), TrainSettings(folds=5)
        refits = refit_on_subsets(CANDIDATES[0], data, settings, seed=0)
        assert refits.fraction == fraction
        assert len(refits.models) == REFITS
    assert (
        f"refits on {6 / 7:.0%} of them"
        in measure_stability(refits.models[0], refits, data).sentence
    )
