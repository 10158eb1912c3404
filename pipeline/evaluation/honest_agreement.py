"""How many labels two honest models disagree about: fits of the same recipe on other rows.

The refits of a bundle show it. Given the rows, a fit on a random half of them varies about as much
as a fit on all rows varies from sample to sample (Politis, Romano and Wolf, Subsampling, 1999), so
two such refits differ as much as two fits on other rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.model.intervals import rate_difference, rate_interval
from pipeline.storage.artifacts.base import Interval
from pipeline.types import BoolArray


def estimate_honest_agreement(models: Sequence[BoolArray]) -> float:
    """Estimate an agreement that nearly all pairs of honest fits reach.

    It is that of the two refits that differ the most. How much the disagreement of two fits
    varies depends on the recipe and the data, so a multiple of its mean would not do. The
    disagreement is proportional to the standard deviation of the difference of both fits, so of
    two models it is the root mean square.

    Args:
        models: For each of the two models, the labels by its refits, shape (n_rows, n_refits); or
            of one of them, if both vary alike.

    Returns:
        A fraction of rows.
    """
    disagreements = [_get_largest_disagreement(positive) for positive in models]
    return 1 - float(np.sqrt(np.mean(np.square(disagreements))))


def compare_agreement(agreement: float, live_rows: int, models: Sequence[BoolArray]) -> Interval:
    """Compare the agreement on live rows with that of honest fits.

    Args:
        agreement: Fraction of the live rows that got the same label from both models.
        live_rows: Number of live rows.
        models: As for `estimate_honest_agreement`, on the same rows.

    Returns:
        The agreement minus that of honest fits, with its 95 % interval: both were measured on a
        sample of rows.
    """
    rows = len(models[0])
    return rate_difference(
        rate_interval(agreement * live_rows, live_rows),
        rate_interval(estimate_honest_agreement(models) * rows, rows),
    )


def _get_largest_disagreement(positive: BoolArray) -> float:
    """Largest fraction of the rows on which two refits differ."""
    labels = positive.astype(np.int64)
    both = labels.T @ labels
    each = np.diag(both)
    return float((each[:, None] + each - 2 * both).max()) / len(labels)
