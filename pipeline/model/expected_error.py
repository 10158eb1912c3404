"""The standard error to expect of a ROC AUC, from the numbers of rows only."""

from __future__ import annotations

import math


def expect_roc_auc_error(auc: float, positives: float, negatives: float) -> float:
    """Standard error of a ROC AUC, for negative exponential scores.

    Args:
        auc: The true ROC AUC.
        positives: Number of positive rows.
        negatives: Number of negative rows.

    Reference: Hanley and McNeil, The Meaning and Use of the Area under a Receiver Operating
    Characteristic Curve, Radiology 143 (1982).
    """
    auc = max(auc, 0.0)
    both_positive, both_negative = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = (
        auc * (1 - auc)
        + (positives - 1) * (both_positive - auc**2)
        + (negatives - 1) * (both_negative - auc**2)
    ) / (positives * negatives)
    return math.sqrt(max(variance, 0.0))
