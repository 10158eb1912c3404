"""Count distinct values, and find those that two sets share, from the smallest hashes of each.

Reference: Beyer, Haas, Reinwald, Sismanis and Gemulla, On Synopses for Distinct-Value Estimation
under Multiset Operations (SIGMOD 2007).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pipeline.row_hashes import HashArray


@dataclass(frozen=True)
class Sketch:
    """The smallest hashes of the distinct values of a set.

    Attributes:
        hashes: Ascending, shape (at most `size`,).
        size: Most hashes that are kept. With fewer, the sketch has all values.
    """

    hashes: HashArray
    size: int

    @classmethod
    def of(cls, hashes: HashArray, size: int) -> Sketch:
        """Return the sketch of values.

        Args:
            hashes: Their hashes, in any order, shape (n,).
            size: Most hashes to keep.
        """
        return cls(np.unique(hashes)[:size], size)

    def count(self) -> int:
        """Return the number of distinct values: exact below `size`, else an estimate.

        The standard error of the estimate is about 1 / sqrt(size) of it.
        """
        if self.hashes.size < self.size:
            return self.hashes.size
        fraction = (int(self.hashes[-1]) + 1) / (1 << 64)
        return round((self.size - 1) / fraction)

    def count_shared(self, other: Sketch) -> int:
        """Return how many of the hashes that both would have kept are in both."""
        return int(np.isin(self.hashes, other.hashes).sum())


def merge_sketches(sketches: Iterable[Sketch], size: int) -> Sketch:
    """Return the sketch of the union of several sets.

    Args:
        sketches: Sketches of this size.
        size: Their size.
    """
    hashes = [sketch.hashes for sketch in sketches]
    return Sketch.of(np.concatenate(hashes) if hashes else np.empty(0, np.uint64), size)
