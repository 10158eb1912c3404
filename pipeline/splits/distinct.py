"""Merge the distinct values of many parts."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pipeline.row_hashes import HashArray

MERGE_VALUES = 1 << 20
"""Fewer values than this wait for those of later parts."""


def merge_distinct(parts: Iterable[HashArray], merge_values: int = MERGE_VALUES) -> HashArray:
    """Return the distinct values of all parts, ascending.

    Values of parts wait until there are as many as were found before them, so the number of sorts
    grows with the logarithm of the number of values, not with the number of parts. They and the
    sort need up to 40 bytes for each value that is returned.

    Args:
        parts: The values of each part, shape (n,), or rows of values, shape (n, 2). There is at
            least one.
        merge_values: Fewest values that are sorted before the last part.
    """
    waiting: list[HashArray] = []
    found = count = 0
    for part in parts:
        waiting.append(part)
        count += len(part)
        if count - found >= max(found, merge_values):
            waiting = [_find_distinct(waiting)]
            found = count = len(waiting[0])
    return _find_distinct(waiting)


def _find_distinct(arrays: list[HashArray]) -> HashArray:
    """The distinct values, or rows of values; empties the list."""
    values = np.concatenate(arrays)
    arrays.clear()
    return np.unique(values, axis=0 if values.ndim == 2 else None)
