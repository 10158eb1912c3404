"""The choice among candidates: the simplest within one standard error of the best."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.model import selection
from pipeline.model.families import Candidate
from pipeline.model.selection import get_standard_error
from pipeline.model.training_data import TrainingData
from pipeline.settings.training import TrainSettings

SIMPLE, COMPLEX = (Candidate(name, name, {}, lambda _: []) for name in ("simple", "complex"))
SETTINGS = TrainSettings(folds=5, selection_repeats=2)
LABELS = np.array([1, *[0] * 20])
DATA = TrainingData(np.zeros((21, 1), dtype=np.float32), LABELS)


def make_fold(candidate: Candidate, area: float) -> selection._HeldOut:
    """Scores of a fold that rank the positive row above this fraction of the others."""
    scores = np.array([area * 20 - 0.5, *range(20)], dtype=np.float64)
    return selection._HeldOut(candidate, LABELS, scores)


def select(simple: list[float], complex_: list[float]) -> selection.Selection:
    held_out = [make_fold(SIMPLE, area) for area in simple]
    held_out += [make_fold(COMPLEX, area) for area in complex_]
    return selection._select((SIMPLE, COMPLEX), held_out, DATA, SETTINGS)


@pytest.mark.parametrize(
    ("spread", "selected"), [(0.2, SIMPLE), (0.05, COMPLEX)], ids=["uncertain", "certain"]
)
def test_a_complex_candidate_must_be_better_by_a_standard_error(
    spread: float, selected: Candidate
) -> None:
    """The means are 0.75 and 0.8; the standard error is 0.1 or 0.025."""
    better = [0.8 + spread * shift for shift in (-1, -1, 0, 1, 1)] * 2
    found = select([0.75] * 10, better)
    assert found.candidate is selected
    assert found.ranking == pytest.approx({"complex": 0.8, "simple": 0.75})
    assert found.standard_error == pytest.approx(spread / 5**0.5)


def test_the_better_one_of_equally_complex_means_is_ranked_first() -> None:
    """The ranking shows the means, whichever candidate is selected."""
    found = select([0.8] * 10, [0.9] * 10)
    assert list(found.ranking) == ["complex", "simple"]
    assert found.candidate is COMPLEX


@pytest.mark.parametrize(
    ("purpose", "probability"), [("cost", 1 / 21), ("recall", None), ("capacity", None)]
)
def test_the_purpose_chooses_the_threshold(purpose: str, probability: float | None) -> None:
    """By cost it is a probability, here the rate of positive rows; otherwise a score."""
    settings = TrainSettings.model_validate({"threshold_purpose": purpose, "capacity": 0.1})
    held_out = [make_fold(SIMPLE, area) for area in [0.8] * 10]
    found = selection._select((SIMPLE,), held_out, DATA, settings)
    assert found.probability_threshold == pytest.approx(probability)
    flagged = held_out[0].scores >= found.score_threshold
    assert flagged.sum() == (2 if purpose == "capacity" else 5)


def test_a_single_candidate_with_a_cost_is_not_fitted() -> None:
    """There is nothing to choose: this candidate cannot be fitted at all."""
    (found,) = selection.select_candidates([DATA], TrainSettings(), 1, (SIMPLE,))
    assert found.candidate is SIMPLE
    assert found.probability_threshold == pytest.approx(1 / 21)


def test_repetitions_do_not_make_the_standard_error_smaller() -> None:
    """They share their rows: four of them know no more than one."""
    fold_areas = [0.7, 0.75, 0.8, 0.85, 0.9]
    once, often = get_standard_error(fold_areas, 5), get_standard_error(fold_areas * 4, 5)
    assert once == pytest.approx(often) == pytest.approx(np.std(fold_areas, ddof=1) / 5**0.5)
