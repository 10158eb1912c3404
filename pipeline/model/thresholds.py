"""Choose the score from which a row is predicted positive."""

from __future__ import annotations

import numpy as np

from pipeline.columns import LABEL, SUBJECTS
from pipeline.settings.training import TrainSettings
from pipeline.types import FloatArray, IntArray

_TOLERANCE = 1e-9
"""Two rates that differ by less are equal."""


def describe_purpose(settings: TrainSettings) -> str:
    """State what the threshold is chosen for, in a sentence without a full stop."""
    if settings.threshold_purpose == "cost":
        if settings.missed_cost is None:
            return (
                f"{SUBJECTS.capitalize()} are flagged if their probability of `{LABEL.positive}` "
                "is above the overall rate. With calibrated probabilities this maximizes balanced "
                "accuracy: all positive rows together weigh as much as all negative rows"
            )
        return (
            f"Missing one `{LABEL.positive}` costs as much as {settings.missed_cost:g} needless "
            f"warnings, so {SUBJECTS} with a probability of at least "
            f"{1 / (1 + settings.missed_cost):.3g} are flagged"
        )
    if settings.threshold_purpose == "capacity":
        return (
            f"There is capacity for {settings.capacity:.3g} of the {SUBJECTS}, so those with the "
            "highest probabilities on out-of-fold rows are flagged"
        )
    return (
        f"Of all thresholds that reach a recall of {settings.min_recall:g} on out-of-fold rows, it "
        "has the best balanced accuracy"
    )


def get_cost_threshold(missed_cost: float | None, labels: IntArray) -> float:
    """The probability from which flagging a row costs less than not flagging it.

    Args:
        missed_cost: Cost of a missed positive row, in needless warnings; None for the number of
            negative rows per positive row.
        labels: 1 for the positive class, shape (n_rows,).

    Reference: Elkan, The Foundations of Cost-Sensitive Learning (IJCAI 2001), theorem 1.
    """
    return float(labels.mean()) if missed_cost is None else 1 / (1 + missed_cost)


def choose_score(labels: IntArray, scores: FloatArray, settings: TrainSettings) -> float:
    """Choose the score threshold for the purpose of the settings, as far as scores determine it.

    Args:
        labels: 1 for the positive class, shape (n_rows,); both classes must occur.
        scores: Score of each row, shape (n_rows,).
        settings: The purpose. For `cost`, the threshold is a probability, and replaces this one.

    Returns:
        The threshold, on the scale of `scores`.
    """
    if settings.threshold_purpose == "capacity":
        return choose_for_capacity(scores, settings.capacity)
    return choose_threshold(labels, scores, settings.min_recall)


def choose_for_capacity(scores: FloatArray, capacity: float) -> float:
    """Choose the lowest threshold that flags at most a fraction of the rows.

    Args:
        scores: Score of each row, shape (n_rows,); higher means more likely positive.
        capacity: Fraction of the rows that can be flagged, in (0, 1].

    Returns:
        The threshold, on the scale of `scores`.
    """
    distinct, counts = np.unique(scores, return_counts=True)
    flagged = np.cumsum(counts[::-1])[::-1] / scores.size
    first = int(np.argmax(flagged <= capacity + _TOLERANCE))
    if flagged[first] > capacity + _TOLERANCE:  # even the highest score has too many rows
        return float(distinct[-1]) + 1e-9
    below = distinct[first - 1] if first else distinct[0] - 2e-9
    return float(below + distinct[first]) / 2


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
