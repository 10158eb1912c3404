"""Estimates from an outer cross-validation."""

from __future__ import annotations

import numpy as np

from pipeline.model.cross_validation import OuterFold, estimate_metrics
from pipeline.model.metrics import Predictions


def test_folds_are_measured_separately() -> None:
    """Two folds that each rank perfectly give a perfect mean, though their scales differ."""
    labels = np.array([0, 1, 0, 1] * 10)
    indices = np.arange(40)
    folds = [
        OuterFold(indices[:20], "a", Predictions(labels[:20] * 0.1, 0.05)),
        OuterFold(indices[20:], "a", Predictions(0.5 + labels[20:] * 0.1, 0.55)),
    ]
    metrics = estimate_metrics(labels, folds, samples=200, seed=1)
    assert metrics["roc_auc"].value == metrics["roc_auc"].low == metrics["recall"].value == 1


def test_a_fold_that_a_resample_leaves_without_a_class_is_skipped() -> None:
    """One positive row per fold is often not drawn; the mean is over the other fold then."""
    labels = np.array([1, *[0] * 19] * 2)
    folds = [
        OuterFold(indices, "a", Predictions(labels[indices] * 0.1, 0.05))
        for indices in (np.arange(20), np.arange(20, 40))
    ]
    metrics = estimate_metrics(labels, folds, samples=200, seed=1)
    assert metrics["roc_auc"].low == metrics["recall"].low == 1


def test_a_resample_that_leaves_every_fold_without_a_class_is_left_out() -> None:
    """With two rows per fold, an eighth of the resamples has no fold with both classes."""
    labels = np.array([0, 1, 0, 1])
    folds = [
        OuterFold(indices, "a", Predictions(labels[indices] * 0.1, 0.05))
        for indices in (np.arange(2), np.arange(2, 4))
    ]
    metrics = estimate_metrics(labels, folds, samples=200, seed=1)
    assert metrics["roc_auc"].low == metrics["recall"].low == 1
