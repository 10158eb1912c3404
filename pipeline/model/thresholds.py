"""Choose the score from which a row is predicted positive."""

from __future__ import annotations

import numpy as np

from pipeline.types import FloatArray, IntArray

_TOLERANCE = 1e-9
"""Two rates that differ by less are equal."""


def choose_threshold(labels: IntArray, scores: FloatArray, min_recall: float) -> float:
    """Choose the threshold with the best balanced accuracy among those that reach a recall.

    Args:
        labels: 1 for the positive class, shape (n_rows,); both classes must occur.
        scores: Score of each row, shape (n_rows,); higher means more likely positive.
        min_recall: Recall that the threshold must reach, in (0, 1].

    Returns:
        The threshold, on the scale of `scores`; of several equally good ones the highest.
    """
    curve = threshold_curve(labels, scores)
    candidates = curve[curve[:, 1] >= min_recall - _TOLERANCE]
    recall_plus_specificity = candidates[:, 1] + candidates[:, 2]
    is_best = recall_plus_specificity >= recall_plus_specificity.max() - _TOLERANCE
    return float(candidates[np.flatnonzero(is_best)[-1], 0])


def threshold_curve(labels: IntArray, scores: FloatArray) -> FloatArray:
    """Recall and specificity at every threshold that separates two scores.

    Args:
        labels: 1 for the positive class, shape (n_rows,); both classes must occur.
        scores: Score of each row, shape (n_rows,).

    Returns:
        Threshold, recall and specificity, shape (n_thresholds, 3), by ascending threshold. The
        first threshold is below all scores, the others are midway between two neighbours.
    """
    distinct = np.unique(scores)
    thresholds = np.concatenate([[distinct[0] - 1e-9], (distinct[:-1] + distinct[1:]) / 2])
    positives, negatives = np.sort(scores[labels == 1]), np.sort(scores[labels == 0])
    recall = 1 - np.searchsorted(positives, thresholds) / positives.size
    specificity = np.searchsorted(negatives, thresholds) / negatives.size
    return np.column_stack([thresholds, recall, specificity])
