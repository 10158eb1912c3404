"""Find the hashes that bound the splits, in one pass over the rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np

from pipeline.row_hashes import HashArray
from pipeline.splits.passes import Ranked
from pipeline.types import IntArray

DEVIATIONS = 6.0
"""Half the width of a window, in standard deviations of the rank of a hash."""
LARGEST = (1 << 64) - 1


def find_bounds(
    totals: IntArray,
    ranks: IntArray,
    rank: Callable[[HashArray], Iterable[Ranked]],
    deviations: float = DEVIATIONS,
) -> tuple[HashArray, IntArray]:
    """Find the hashes with certain ranks among the rows of each class.

    Hashes are uniform, so the wanted ones are near the fraction of their rank. Only the hashes
    in windows around them are collected: of a billion rows, some 160,000 per window. If a window
    misses its hash, all are collected again with windows of four times the width.

    Args:
        totals: Rows of each class, shape (2,).
        ranks: Ranks from 0, for each class and bound, shape (2, 2). Each is below its total.
        rank: Returns what `rank_rows` finds in each part, for windows of shape (2, 2, 2).
        deviations: Half the width of a window, in standard deviations.

    Returns:
        The hashes, shape (2, 2), and how many hashes of each part are below them, shape
        (n_parts, 2, 2).
    """
    while True:
        parts = list(rank(_find_windows(totals, ranks, deviations)))
        bounds = np.zeros((2, 2), dtype=np.uint64)
        has_all = True
        for label, bound in np.ndindex(2, 2):
            inside = np.sort(np.concatenate([part.hashes[label][bound] for part in parts]))
            index = ranks[label, bound] - sum(int(part.below[label, bound]) for part in parts)
            if 0 <= index < inside.size:
                bounds[label, bound] = inside[index]
            else:
                has_all = False
        if has_all:
            return bounds, np.array([_count_below(part, bounds) for part in parts])
        deviations *= 4


def _find_windows(totals: IntArray, ranks: IntArray, deviations: float) -> HashArray:
    """The first hash of each window and the first behind it, shape (2, 2, 2)."""
    windows = np.zeros((2, 2, 2), dtype=np.uint64)
    for label, bound in np.ndindex(2, 2):
        rows = int(totals[label])
        fraction = (int(ranks[label, bound]) + 0.5) / rows
        width = deviations * math.sqrt(fraction * (1 - fraction) / rows) + 2 / rows
        low, high = max(fraction - width, 0.0), min(fraction + width, 1.0)
        windows[label, bound] = min(int(low * 2.0**64), LARGEST), min(int(high * 2.0**64), LARGEST)
    return windows


def _count_below(part: Ranked, bounds: HashArray) -> IntArray:
    counts = part.below.copy()
    for label, bound in np.ndindex(2, 2):
        counts[label, bound] += np.searchsorted(part.hashes[label][bound], bounds[label, bound])
    return counts
