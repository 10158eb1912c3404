"""How many positive rows a test split needs for intervals of stated widths."""

from __future__ import annotations

import itertools

from pipeline.data_check.report import PositivesNeeded
from pipeline.model.expected_error import expect_roc_auc_error
from pipeline.model.intervals import Z, wilson_interval

RECALL_HALF_WIDTHS = (0.1, 0.05)
AUC_HALF_WIDTHS = (0.05, 0.02)
"""Half widths of intervals, for which the positive rows needed are reported."""


def find_positives_needed(
    auc: float, recall: float, present: int, negatives_per_positive: float
) -> list[PositivesNeeded]:
    """Positive rows that the test split needs for 95 % intervals of stated widths.

    Args:
        auc: ROC AUC to assume.
        recall: Recall to assume.
        present: Positive rows in the test split.
        negatives_per_positive: Negative rows per positive row.

    Returns:
        One result per metric and width.
    """

    def find(metric: str, assumed: float, half_width: float) -> PositivesNeeded:
        needed = next(count for count in itertools.count(2) if width(metric, count) <= half_width)
        return PositivesNeeded(
            metric=metric, assumed=assumed, half_width=half_width, needed=needed, present=present
        )

    def width(metric: str, positives: int) -> float:
        if metric == "recall":
            return _recall_half_width(recall, positives)
        return _auc_half_width(auc, positives, negatives_per_positive)

    return [
        *(find("recall", recall, half_width) for half_width in RECALL_HALF_WIDTHS),
        *(find("roc_auc", auc, half_width) for half_width in AUC_HALF_WIDTHS),
    ]


def _recall_half_width(recall: float, positives: int) -> float:
    low, high = wilson_interval(recall * positives, positives)
    return (high - low) / 2


def _auc_half_width(auc: float, positives: int, negatives_per_positive: float) -> float:
    return Z * expect_roc_auc_error(auc, positives, positives * negatives_per_positive)
