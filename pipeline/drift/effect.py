"""The size of a change, on the same scale for numbers and categories."""

from __future__ import annotations

import numpy as np

from pipeline.drift.columns import Kind
from pipeline.drift.counts import Counts, union


def largest_share_change(kind: Kind, reference: Counts, current: Counts) -> float:
    """Return the largest difference between the fractions of the rows that have certain values.

    Args:
        kind: What the values are compared as. For a number, the values are those up to some
            bound: the Kolmogorov-Smirnov statistic. For a category they are any set of values:
            the total variation distance.
        reference: Values of the reference.
        current: Values of the current data.

    Returns:
        The difference, from 0 (same fractions) to 1 (no value in common).
    """
    keys = union(reference.values, current.values)
    if kind == "number":
        return float(np.abs(reference.cdf(keys) - current.cdf(keys)).max())
    fractions = [side.get_counts(keys) / side.rows for side in (reference, current)]
    return float(np.abs(fractions[0] - fractions[1]).sum() / 2)
