"""Seeded 64-bit hashes of row numbers: random choices that do not depend on how a table is divided.

A row's hash depends only on the seed and on the number of the row in its table. So the rows with
the smallest hashes are a random sample that is the same for every number of parts and workers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

HashArray = NDArray[np.uint64]

BLOCK_ROWS = 1 << 15
"""Rows that are hashed at once, so that the intermediate results fit into a core's cache."""

_INCREMENT = np.uint64(0x9E3779B97F4A7C15)
_FIRST_FACTOR = np.uint64(0xBF58476D1CE4E5B9)
_SECOND_FACTOR = np.uint64(0x94D049BB133111EB)


def mix(values: HashArray) -> HashArray:
    """Return the outputs of SplitMix64 for states; different states have different outputs.

    Args:
        values: States, shape (n,).

    Reference: Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators (OOPSLA 2014);
    the constants are those of S. Vigna's splitmix64.c (2015).
    """
    mixed = (values ^ (values >> np.uint64(30))) * _FIRST_FACTOR
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND_FACTOR
    return mixed ^ (mixed >> np.uint64(31))


def hash_rows(first: int, count: int, seed: int) -> HashArray:
    """Return the hashes of consecutive rows: outputs `first` to `first + count` of SplitMix64.

    Args:
        first: Number of the first row in its table, from 0.
        count: Number of rows.
        seed: Seed of the generator.

    Returns:
        Hashes, shape (count,). No two rows of a table have the same one.
    """
    state = np.uint64(seed % (1 << 64))
    hashes = np.empty(count, dtype=np.uint64)
    for start in range(0, count, BLOCK_ROWS):
        stop = min(start + BLOCK_ROWS, count)
        numbers = np.arange(first + 1 + start, first + 1 + stop, dtype=np.uint64)
        hashes[start:stop] = mix(state + numbers * _INCREMENT)
    return hashes
