"""Choose a random sample of a table's rows that does not depend on how the table is divided."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.types import FloatArray

MAX_VALUES = 1_000_000
"""Values of a sample: a table of five features is sampled beyond 200,000 rows. A ROC AUC of so many
rows is known to within 0.01, even if one in a hundred is positive."""
CHUNK_ROWS = 1 << 20
"""Random numbers that are drawn at a time."""


class RowSample:
    """A random sample of fixed size in the order of the table.

    Each row gets a random number, and the rows with the smallest ones are chosen.
    """

    def __init__(self, seed: int, rows: int, features: int, max_values: int = MAX_VALUES) -> None:
        """Begin before the first row.

        Args:
            seed: Seed of the sampling.
            rows: Number of rows of the table.
            features: Number of features of a row.
            max_values: Bound of the sampled rows times features.
        """
        self._random = np.random.default_rng(seed)
        size = max(1, max_values // max(features, 1))
        self._bound = _find_bound(seed, rows, size) if rows > size else 1.0

    def choose(self, rows: int) -> NDArray[np.bool_]:
        """Return whether each of the next rows is in the sample, shape (rows,)."""
        chosen: NDArray[np.bool_] = self._random.random(rows) <= self._bound
        return chosen


def _find_bound(seed: int, rows: int, size: int) -> float:
    """The random number of the row with the `size` smallest one."""
    random = np.random.default_rng(seed)
    smallest: FloatArray = np.empty(0)
    for start in range(0, rows, CHUNK_ROWS):
        numbers = random.random(min(CHUNK_ROWS, rows - start))
        if smallest.size == size:
            numbers = numbers[numbers < smallest.max()]
        smallest = np.concatenate([smallest, numbers])
        if smallest.size > size:
            smallest = np.partition(smallest, size - 1)[:size]
    return float(smallest.max())
