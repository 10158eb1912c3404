"""How many labels two honest models disagree about: fits of the same recipe on other rows.

The refits of a bundle show it. Given the rows, a fit on a random half of them varies about as much
as a fit on all rows varies from sample to sample (Politis, Romano and Wolf, Subsampling, 1999), so
two such refits differ as much as two fits on other rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.model.intervals import rate_difference, rate_interval
from pipeline.storage.artifacts import Interval
from pipeline.types import BoolArray

SPREAD = 1.3
"""One in 20 pairs of honest fits disagrees on more than this times the mean, in simulations."""


def estimate_honest_agreement(models: Sequence[BoolArray]) -> float:
    """Estimate the agreement that 95 % of the pairs of honest fits reach.

    The disagreement of two fits is proportional to the standard deviation of their difference, so
    it is the root mean square of both models' disagreements.

    Args:
        models: For each of the two models, the labels by its refits, shape (n_rows, n_refits); or
            of one of them, if both vary alike.

    Returns:
        A fraction of rows.
    """
    disagreements = [_get_mean_disagreement(positive) for positive in models]
    return max(1 - SPREAD * float(np.sqrt(np.mean(np.square(disagreements)))), 0.0)


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


def _get_mean_disagreement(positive: BoolArray) -> float:
    """Mean fraction of the rows on which two refits differ, over all pairs of refits."""
    refits = positive.shape[1]
    rates = positive.mean(axis=1)
    return (  # type: ignore[no-any-return]
        float((2 * rates * (1 - rates)).mean()) * refits / (refits - 1)
    )
