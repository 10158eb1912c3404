"""A table with many cells is compared, calibrated and refitted with fewer fits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

from pipeline.columns import FEATURES
from pipeline.model.budget import COLUMNS, sample_for_comparison
from pipeline.model.calibration import fit_calibrated
from pipeline.model.families import Candidate
from pipeline.model.selection import select_candidates
from pipeline.model.stability import MIN_REFITS, REFITS, refit_on_subsets
from pipeline.model.training_data import TrainingData, stratified_sample
from pipeline.settings.training import TrainSettings
from pipeline.types import FloatArray, IntArray

ROWS, SAMPLED = 4_000, 2_500
LARGE = TrainSettings(max_cells=SAMPLED * COLUMNS)
SMALL = TrainSettings(max_cells=2 * ROWS * COLUMNS)
"""Both repetitions are within the budget."""


class Ranking(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Scores rows by their first feature; records how many rows it learned from."""

    def __init__(self, fits: list[int]) -> None:
        self.fits = fits

    def __sklearn_clone__(self) -> Ranking:
        return Ranking(self.fits)

    def fit(self, rows: FloatArray, labels: IntArray) -> Ranking:
        self.fits.append(len(rows))
        self.classes_ = np.unique(labels)
        return self

    def decision_function(self, rows: FloatArray) -> FloatArray:
        return np.asarray(rows[:, 0], dtype=np.float64)

    def predict(self, rows: FloatArray) -> IntArray:
        return (rows[:, 0] > 0).astype(np.int64)


@dataclass
class Fits:
    """The rows of each fit of two candidates."""

    rows: list[int] = field(default_factory=list)

    def candidates(self) -> tuple[Candidate, Candidate]:
        def make_steps(_: int) -> list[Any]:
            return [Ranking(self.rows)]

        first, second = (Candidate(name, name, {}, make_steps) for name in ("a", "b"))
        return first, second


@pytest.fixture
def fits() -> Any:
    """Records the fits, which are made in this process."""
    with joblib.parallel_config("sequential"):
        yield Fits()


def draw(rows: int = ROWS, rate: float = 0.25) -> TrainingData:
    """Rows whose first feature says something about their label."""
    random = np.random.default_rng(0)
    labels = (np.arange(rows) < rows * rate).astype(np.int64)
    features = random.normal(size=(rows, len(FEATURES))).astype(np.float32)
    features[:, 0] += labels
    return TrainingData(features, labels)


def test_many_cells_are_compared_once_on_a_sample(fits: Fits) -> None:
    """Two candidates, five folds."""
    select_candidates([draw()], LARGE, 1, fits.candidates())
    assert fits.rows == [SAMPLED * 4 // 5] * 10


def test_few_cells_are_compared_on_all_rows_and_repeatedly(fits: Fits) -> None:
    """As the survey is."""
    select_candidates([draw()], SMALL, 1, fits.candidates())
    assert fits.rows == [ROWS * 4 // 5] * 20


@pytest.mark.parametrize("purpose", ["cost", "recall", "capacity"])
def test_many_cells_are_calibrated_on_one_fold(fits: Fits, purpose: str) -> None:
    """The model learns from all rows, and the fold sets its threshold, whatever that is for."""
    settings = LARGE.model_copy(update={"threshold_purpose": purpose, "capacity": 0.2})
    data, candidate = draw(), fits.candidates()[0]
    (selection,) = select_candidates([data], settings, 1, (candidate,))
    predictions = fit_calibrated(selection, data, settings.folds, 1).predict(data.rows)
    assert fits.rows == [ROWS * 4 // 5, ROWS]
    assert predictions.probability.mean() == pytest.approx(0.25, abs=0.02)
    positive = predictions.positive
    if purpose == "recall":
        assert positive[data.labels == 1].mean() >= 0.78
    elif purpose == "capacity":
        assert positive.mean() == pytest.approx(0.2, abs=0.02)
    else:
        assert predictions.threshold == pytest.approx(0.25, abs=0.01)


def test_few_cells_are_calibrated_on_every_fold(fits: Fits) -> None:
    """Five fits for the calibration and one on all rows."""
    data, candidate = draw(), fits.candidates()[0]
    (selection,) = select_candidates([data], SMALL, 1, (candidate,))
    fit_calibrated(selection, data, SMALL.folds, 1)
    assert fits.rows == [ROWS * 4 // 5] * 5 + [ROWS]


def test_refits_within_the_budget_are_all_made(fits: Fits) -> None:
    """Each has half of the rows."""
    assert len(refit_on_subsets(fits.candidates()[0], draw(), LARGE, 1).models) == REFITS


def test_large_refits_are_fewer(fits: Fits) -> None:
    """Enough to say how stable a label is."""
    settings = TrainSettings(max_cells=ROWS * COLUMNS // 8)
    assert len(refit_on_subsets(fits.candidates()[0], draw(), settings, 1).models) == MIN_REFITS


def test_the_sample_keeps_enough_rows_of_the_rarer_class() -> None:
    """The error of a comparison depends on their number, not on the number of all rows."""
    data = draw(20_000, rate=0.01)
    sample, repeats = sample_for_comparison(data, TrainSettings(max_cells=COLUMNS), 1)
    assert (sample.labels.sum(), sample.labels.size, repeats) == (100, 10_000, 1)


def test_one_row_too_many_is_sampled() -> None:
    """A stratified sample leaves out a row of each class."""
    assert stratified_sample(draw(101), 100, 1).labels.size == 99
