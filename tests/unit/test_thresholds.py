"""The choice of a threshold."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.model.thresholds import (
    choose_for_capacity,
    choose_threshold,
    describe_purpose,
    get_cost_threshold,
    threshold_curve,
)
from pipeline.settings.training import TrainSettings
from pipeline.types import IntArray

SCORES = np.array([0.1, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
LABELS = np.array([0, 0, 0, 0, 0, 0, 1, 0, 1, 1])
OUTLIER = np.array([0, 0, 0, 1, 0, 0, 0, 0, 1, 1])
"""Labels with one positive row among the low scores."""


@pytest.mark.parametrize(
    ("labels", "min_recall", "threshold"),
    [(LABELS, 1.0, 0.55), (LABELS, 0.6, 0.55), (OUTLIER, 0.6, 0.75), (OUTLIER, 1.0, 0.25)],
    ids=["required", "better than required", "outlier missed", "outlier required"],
)
def test_the_threshold_reaches_the_recall(
    labels: IntArray, min_recall: float, threshold: float
) -> None:
    """Of the thresholds with the required recall, the one with the best balanced accuracy wins."""
    assert choose_threshold(labels, SCORES, min_recall) == pytest.approx(threshold)


def test_a_threshold_separates_scores() -> None:
    """No threshold equals a score, so rounding cannot change a prediction."""
    assert not set(threshold_curve(LABELS, SCORES)[:, 0]) & set(SCORES)


def test_the_curve_counts_correctly() -> None:
    """Each point has the recall and specificity of predicting `score >= threshold`."""
    for threshold, recall, specificity in threshold_curve(LABELS, SCORES):
        predicted_positive = threshold <= SCORES
        assert recall == pytest.approx(predicted_positive[LABELS == 1].mean())
        assert specificity == pytest.approx((~predicted_positive)[LABELS == 0].mean())


@pytest.mark.parametrize(
    ("capacity", "flagged"), [(1.0, 10), (0.5, 5), (0.29, 2), (0.05, 0), (0.85, 8)]
)
def test_a_capacity_is_used_up_and_not_exceeded(capacity: float, flagged: int) -> None:
    """Equal scores are flagged together or not at all."""
    threshold = choose_for_capacity(SCORES, capacity)
    assert (threshold <= SCORES).sum() == flagged


def test_the_cost_determines_the_threshold() -> None:
    """At 1/(1 + cost), flagging a row and not flagging it cost the same."""
    threshold = get_cost_threshold(4, LABELS)
    assert threshold * 4 == pytest.approx((1 - threshold) * 1)


def test_without_a_cost_nobody_below_the_average_is_flagged() -> None:
    """The default threshold is the rate of positive rows."""
    assert get_cost_threshold(None, LABELS) == pytest.approx(LABELS.mean())


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (TrainSettings(), "is above the overall rate"),
        (
            TrainSettings(missed_cost=4),
            "as 4 needless warnings, so students with ",
        ),
        (TrainSettings(threshold_purpose="recall"), "reach a recall of 0.8"),
        (TrainSettings(threshold_purpose="capacity", capacity=0.1), "capacity for 0.1 of the"),
    ],
    ids=["default", "cost", "recall", "capacity"],
)
def test_the_purpose_is_stated(settings: TrainSettings, text: str) -> None:
    """The card and the console say what the threshold is for, with its number."""
    assert text in describe_purpose(settings)


def test_equal_scores_are_all_predicted_positive() -> None:
    """A model without information gets the only threshold that reaches the recall."""
    assert choose_threshold(LABELS, np.full(10, 0.5), 0.8) < 0.5
