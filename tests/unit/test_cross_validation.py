"""Estimates from an outer cross-validation."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics

from pipeline.model.cross_validation import OuterFold, estimate_differences, estimate_metrics
from pipeline.model.intervals import get_variance_factor, wilson_interval
from pipeline.model.metrics import Predictions

RANDOM = np.random.default_rng(3)
LABELS = (np.arange(200) % 10 == 0).astype(np.int64)
SCORES = np.clip(0.2 * LABELS + 0.8 * RANDOM.random(200), 0, 1)


def split(scores: np.ndarray, folds: int = 5, start: int = 0) -> list[OuterFold]:
    """Folds of equal size with the same numbers of both classes."""
    place = (np.arange(200) // 10 + start) % folds
    return [
        OuterFold(indices, "a", Predictions(scores[indices], 0.5))
        for indices in (np.flatnonzero(place == number) for number in range(folds))
    ]


def test_folds_are_measured_separately() -> None:
    """Two folds that each rank perfectly give a perfect mean, though their scales differ.

    The average precision is that of the pooled rows.
    """
    labels = np.array([0, 1, 0, 1] * 10)
    indices = np.arange(40)
    folds = [
        OuterFold(indices[:20], "a", Predictions(labels[:20] * 0.1, 0.05)),
        OuterFold(indices[20:], "a", Predictions(0.5 + labels[20:] * 0.1, 0.55)),
    ]
    metrics = estimate_metrics(labels, folds)
    assert metrics["roc_auc"].value == metrics["recall"].value == 1
    pooled = np.concatenate([fold.predictions.probability for fold in folds])
    expected = sklearn.metrics.average_precision_score(labels, pooled)
    assert metrics["pr_auc"].value == pytest.approx(expected)


def test_a_fold_without_a_class_does_not_count() -> None:
    """Its ROC AUC and its recall are not defined."""
    labels = np.array([1, *[0] * 19, *[0] * 20])
    folds = [
        OuterFold(indices, "a", Predictions(labels[indices] * 0.1, 0.05))
        for indices in (np.arange(20), np.arange(20, 40))
    ]
    metrics = estimate_metrics(labels, folds)
    assert metrics["roc_auc"].value == metrics["recall"].value == 1


def test_the_variance_is_corrected() -> None:
    """A recall on 5 folds has the interval of one on 4/5 as many positive rows."""
    recall = estimate_metrics(LABELS, split(SCORES))["recall"]
    found = ((SCORES >= 0.5) & (LABELS == 1)).sum()
    assert recall.value == pytest.approx(found / 20)
    assert (recall.low, recall.high) == pytest.approx(wilson_interval(found * 0.8, 16))
    assert [get_variance_factor(folds) for folds in (2, 5)] == [2, 1.25]


def test_more_repetitions_are_averaged_and_do_not_narrow_the_interval() -> None:
    """They predict the same rows again, so there is no more to learn from them."""
    other = np.clip(0.2 * LABELS + 0.8 * RANDOM.random(200), 0, 1)
    once, again = (
        estimate_metrics(LABELS, folds)
        for folds in (split(SCORES), [*split(SCORES), *split(other, start=1)])
    )
    alone = estimate_metrics(LABELS, split(other, start=1))
    for name in ("roc_auc", "pr_auc", "recall"):
        assert again[name].value == pytest.approx((once[name].value + alone[name].value) / 2)
        widths = [one[name].high - one[name].low for one in (once, again, alone)]
        assert widths[1] > 0.9 * min(widths)


def test_procedures_are_compared_on_the_same_folds() -> None:
    """The difference from noise is significant, and that from itself is zero."""
    folds = split(0.6 * LABELS + 0.4 * SCORES)
    noise = split(RANDOM.random(200))
    gain = estimate_differences(LABELS, folds, noise)["roc_auc"]
    separate = (estimate_metrics(LABELS, one)["roc_auc"].value for one in (folds, noise))
    first, second = separate
    assert gain.value == pytest.approx(first - second)
    assert gain.low > 0
    nothing = estimate_differences(LABELS, folds, folds)["roc_auc"]
    assert (nothing.value, nothing.low, nothing.high) == (0, 0, 0)
