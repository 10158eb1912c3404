"""Sample the rows of a file that arrive in blocks, so that the data check needs bounded memory."""

from __future__ import annotations

import numpy as np

from pipeline.types import FloatArray, IntArray

MAX_VALUES = 5_000_000
"""Values that are kept, 8 bytes each: a table of five features is sampled beyond a million rows."""

SHRINK_AT = 1.2
"""Rows that are held before some are left out, relative to those that are kept."""


class RowSample:
    """A random sample of fixed size in the order of the file.

    Each row gets a random number, and the rows with the smallest ones are kept. Blocks of any size
    give the same sample.
    """

    def __init__(self, seed: int, features: int, max_values: int = MAX_VALUES) -> None:
        """Start with an empty sample.

        Args:
            seed: Seed of the sampling.
            features: Number of features of a row.
            max_values: Bound of rows times features.
        """
        self._max_rows = max(1, max_values // max(features, 1))
        self._random = np.random.default_rng(seed)
        self._parts: list[tuple[FloatArray, IntArray, FloatArray]] = []
        self._held = 0
        self._bound = 1.0  # rows with a larger number are not among the smallest

    def add(self, rows: FloatArray, labels: IntArray) -> None:
        """Add the next rows of the file.

        Args:
            rows: Features, shape (n_rows, n_features).
            labels: 1 for the positive class, shape (n_rows,).
        """
        numbers = self._random.random(labels.size)
        kept = numbers < self._bound
        self._parts.append((rows[kept], labels[kept], numbers[kept]))
        self._held += int(kept.sum())
        if self._held > SHRINK_AT * self._max_rows:
            self._shrink()

    def take(self) -> tuple[FloatArray, IntArray]:
        """Return the features and labels of the sampled rows."""
        self._shrink()
        rows, labels, _ = self._parts[0]
        return rows, labels

    def _shrink(self) -> None:
        """Keep the rows with the smallest random numbers."""
        rows, labels, numbers = (np.concatenate(part) for part in zip(*self._parts, strict=True))
        if labels.size > self._max_rows:
            kept = np.sort(np.argpartition(numbers, self._max_rows - 1)[: self._max_rows])
            rows, labels, numbers = rows[kept], labels[kept], numbers[kept]
            self._bound = float(numbers.max())
        self._parts, self._held = [(rows, labels, numbers)], labels.size
