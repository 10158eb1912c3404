"""The choice of a threshold."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.model.thresholds import choose_threshold, threshold_curve
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


def test_equal_scores_are_all_predicted_positive() -> None:
    """A model without information gets the only threshold that reaches the recall."""
    assert choose_threshold(LABELS, np.full(10, 0.5), 0.8) < 0.5
