"""Choosing: thresholds, folds, samples."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.model import selection
from pipeline.model.candidates import Label
from pipeline.model.metrics import Predictions
from pipeline.model.selection import OuterFold, TrainingData

LABEL = np.array([0, 0, 0, 0, 0, 0, 1, 0, 1, 1])
LOW = np.array([0, 0, 0, 1, 0, 0, 0, 0, 1, 1])
SCORE = np.array([0.1, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])


@pytest.mark.parametrize(
    ("label", "recall", "cut"),
    [(LABEL, 1.0, 0.55), (LABEL, 0.6, 0.55), (LOW, 0.6, 0.75), (LOW, 1.0, 0.25)],
    ids=[
        "all found",
        "more than asked for, as it costs little",
        "one left out",
        "the last one costs much",
    ],
)
def test_the_threshold_reaches_the_recall(label: Label, recall: float, cut: float) -> None:
    """Of the thresholds with the recall that is asked for, the one with the best balanced accuracy."""
    assert selection.choose_threshold(label, SCORE, recall) == pytest.approx(cut)


def test_a_threshold_lies_between_scores() -> None:
    """No threshold is a score that was given: rounding would turn the answer."""
    assert not set(selection.threshold_curve(LABEL, SCORE)[:, 0]) & set(SCORE)


def test_the_curve_is_counted_right() -> None:
    """Each point's recall and specificity are those of answering `score >= threshold`."""
    for at, recall, specificity in selection.threshold_curve(LABEL, SCORE):
        called = at <= SCORE
        assert recall == pytest.approx(called[LABEL == 1].mean())
        assert specificity == pytest.approx((~called)[LABEL == 0].mean())


def test_equal_scores_give_one_threshold() -> None:
    """A model that says the same of all rows calls all of them positive."""
    assert selection.choose_threshold(LABEL, np.full(10, 0.5), 0.8) < 0.5


@pytest.mark.parametrize(("label", "named"), [(np.ones(50), "'pass'"), (np.zeros(50), "'fail'")])
def test_one_class_alone_is_refused(label: Label, named: str) -> None:
    """The class that is missing is named."""
    with pytest.raises(DataError, match=f"none of the 50 training rows is labelled {named}"):
        selection.check_class_counts(label.astype(np.int64), 5)


@pytest.mark.parametrize(("positives", "enough"), [(6, False), (7, True)])
def test_fewer_rows_than_nested_folds_need_are_refused(positives: int, enough: bool) -> None:
    """Five folds within five folds need seven rows of a class; the sentence says how many there are and what to do."""
    label = np.zeros(60, dtype=np.int64)
    label[:positives] = 1
    if enough:
        selection.check_class_counts(label, 5)
        return
    with pytest.raises(
        DataError,
        match=r"6 of the 60 training rows are labelled 'fail'.*at least 7.*MLOPS_TRAIN__FOLDS",
    ):
        selection.check_class_counts(label, 5)


def test_a_sample_is_stratified_and_bounded() -> None:
    """A cap on the rows keeps the share of the label, and their order."""
    label = (np.arange(1000) % 20 == 0).astype(np.int64)
    data = TrainingData(np.arange(1000, dtype=np.float32).reshape(-1, 1), label)
    kept = selection.stratified_sample(data, 200, seed=1)
    assert (kept.label.size, kept.label.sum()) == (200, 10)
    assert (np.diff(kept.rows[:, 0]) > 0).all()
    assert selection.stratified_sample(data, 1000, seed=1) is data


def test_the_estimate_is_the_mean_over_the_folds() -> None:
    """Scores of different folds are of different models: only rows of one fold are ranked against each other."""
    label = np.array([0, 1, 0, 1] * 10)
    places = np.arange(40)
    shifted = [
        OuterFold(places[:20], "a", Predictions(label[:20] * 0.1, 0.05)),
        OuterFold(places[20:], "a", Predictions(0.5 + label[20:] * 0.1, 0.55)),
    ]
    found = selection.estimate_metrics(label, shifted, samples=1000, seed=1)
    assert (found["roc_auc"].value, found["roc_auc"].low, found["recall"].value) == (1, 1, 1)
