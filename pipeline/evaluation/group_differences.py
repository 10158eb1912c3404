"""Differences between groups in recall and false positive rate.

A group is compared with the other rows: the groups of one column share no row. The intervals hold
together with 95 % confidence: the level of each is adjusted for the number of comparisons
(Bonferroni; Dunn, Multiple Comparisons Among Means, Journal of the American Statistical
Association 56, 1961). Without that, one of twenty comparisons would find a difference by chance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import NormalDist

from pipeline.columns import ROW_COLUMNS
from pipeline.evaluation.groups import GroupRows
from pipeline.model.intervals import rate_difference
from pipeline.storage.artifacts.base import Interval
from pipeline.storage.artifacts.evaluation import GroupDifference
from pipeline.types import BoolArray

CONFIDENCE = 0.95
POWER = 0.8
"""Probability of finding a difference that is called detectable."""
MAX_WIDTH = 0.2
"""An interval that contains 0 and is wider than this is inconclusive."""
HIGHER, LOWER, SIMILAR, INCONCLUSIVE = "higher", "lower", "similar", "inconclusive"
RECALL, FALSE_POSITIVE_RATE = "recall", "false positive rate"
OTHERS = "the others"
"""What a group is compared with if its column has more than two."""


def compare_groups(rows: GroupRows) -> list[GroupDifference]:
    """Compare every group with the others of its column.

    Args:
        rows: The rows, with predictions.

    Returns:
        For both rates, the difference of every group that has rows of the class on both sides. Of
        a column with two groups, only the first is compared with the second.
    """
    compared = [
        (rate, group, other, inside & of_class, outside & of_class)
        for rate, of_class in ((RECALL, rows.labels == 1), (FALSE_POSITIVE_RATE, rows.labels == 0))
        for group, other, inside, outside in _pair_groups(rows)
        if (inside & of_class).any() and (outside & of_class).any()
    ]
    if not compared:
        return []
    z = NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / 2 / len(compared))
    differences = []
    for rate, group, other, inside, outside in compared:
        first, second = rows.measure_rate(inside, z), rows.measure_rate(outside, z)
        assert first and second
        difference = rate_difference(first, second)
        differences.append(
            GroupDifference(
                rate=rate,
                group=group,
                other=other,
                difference=difference,
                verdict=judge_difference(difference),
                detectable=get_detectable_difference(
                    float(rows.predicted_positive[inside | outside].sum()),
                    int(inside.sum()),
                    int(outside.sum()),
                    z,
                ),
            )
        )
    return differences


def get_detectable_difference(successes: float, first: int, second: int, z: float) -> float:
    """Return the smallest difference of two rates that is found with the probability POWER.

    One success and one failure are added, as by Agresti and Caffo (The American Statistician 54,
    2000), so that a rate of 0 or 1 in few rows does not promise an exact comparison.

    Args:
        successes: Successes in both groups together, whose rate is assumed for both.
        first: Number of trials in the first group.
        second: Number of trials in the second group.
        z: Normal quantile of the level of the intervals.

    Returns:
        The difference, at most 1, by the normal approximation.
    """
    rate = (successes + 1) / (first + second + 2)
    error = math.sqrt(rate * (1 - rate) * (1 / first + 1 / second))
    return min((z + NormalDist().inv_cdf(POWER)) * error, 1.0)


def judge_difference(difference: Interval) -> str:
    """Return what an interval of a difference shows: HIGHER, LOWER, SIMILAR or INCONCLUSIVE."""
    if difference.low > 0:
        return HIGHER
    if difference.high < 0:
        return LOWER
    return INCONCLUSIVE if difference.high - difference.low > MAX_WIDTH else SIMILAR


def summarize_differences(differences: Sequence[GroupDifference]) -> str:
    """Return how many comparisons show what, in two sentences, the last without a full stop.

    Args:
        differences: The differences, at least one.
    """
    inconclusive = sum(one.verdict == INCONCLUSIVE for one in differences)
    summary = (
        f"{inconclusive} of {len(differences)} comparisons between groups came out inconclusive: "
        "too wide an interval"
    )
    found = [
        f"the {one.rate} of '{one.group}' is {one.verdict} ({one.difference.signed} compared with "
        f"{one.other})"
        for one in differences
        if one.verdict in (HIGHER, LOWER)
    ]
    shown = f"These differ: {'; '.join(found)}" if found else "None is shown to differ"
    return f"{summary}. {shown}"


def _pair_groups(rows: GroupRows) -> Iterator[tuple[str, str, BoolArray, BoolArray]]:
    """Each group with rows, what it is compared with, and the rows of both."""
    for column in ROW_COLUMNS:
        groups = [
            (name, mask)
            for name, mask in rows.groups.items()
            if name.startswith(f"{column.name} ") and mask.any()
        ]
        if len(groups) == 2:
            (first, inside), (second, outside) = groups
            yield first, second, inside, outside
        elif len(groups) > 2:
            yield from ((name, OTHERS, mask, ~mask) for name, mask in groups)
