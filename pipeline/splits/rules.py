"""Rules that decide the split of a row. A rule is small, so that it can be sent to a worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.row_hashes import HashArray, hash_rows, mix
from pipeline.splits.rows import DecidingRows
from pipeline.types import IntArray

TRAIN, VALIDATION, TEST, LEFT_OUT = PLACES = range(4)
"""Indices of layout.SPLITS, and the number of rows that are in no split."""
BUCKET_BITS = 12
BUCKETS = 1 << BUCKET_BITS
"""Units with equal leading bits of their hash are in the same split: a 4096th of all units."""

PlaceArray = NDArray[np.int8]


class Rule(Protocol):
    """Decides the split of rows."""

    def place(self, rows: DecidingRows) -> PlaceArray:
        """Return one of PLACES for each row, shape (n_rows,)."""
        ...


@dataclass(frozen=True)
class ListedRule:
    """The split of each row of a small table.

    Attributes:
        places: The split of each row of the table, shape (n_rows,).
        units: Number of each row's unit, shape (n_rows,); None without units.
    """

    places: PlaceArray
    units: IntArray | None = None

    def place(self, rows: DecidingRows) -> PlaceArray:
        return self.places[rows.first : rows.first + rows.labels.size]


@dataclass(frozen=True)
class HashRule:
    """Rows with the smallest hashes of their class are test rows, the next are validation rows.

    Attributes:
        seed: Seed of the hashes.
        bounds: For each class, the smallest hash that is no test row, and the smallest that is
            neither a test nor a validation row, shape (2, 2).
    """

    seed: int
    bounds: HashArray

    def place(self, rows: DecidingRows) -> PlaceArray:
        hashes, positives = rows.hash(self.seed), np.flatnonzero(rows.labels)
        places = _count_bounds(hashes, self.bounds[0])
        places[positives] = _count_bounds(hashes[positives], self.bounds[1])
        return places


def _count_bounds(hashes: HashArray, bounds: HashArray) -> PlaceArray:
    """The number of bounds above each hash, which is the index of its split."""
    test, validation = bounds
    places: PlaceArray = (hashes < validation).view(np.int8) + (hashes < test).view(np.int8)
    return places


@dataclass(frozen=True)
class BucketRule:
    """All units of a bucket are in the same split.

    Attributes:
        seed: Seed of the buckets.
        places: The split of each bucket, shape (BUCKETS,).
    """

    seed: int
    places: PlaceArray

    def place(self, rows: DecidingRows) -> PlaceArray:
        assert rows.units is not None
        return self.places[find_buckets(rows.units, self.seed)]


@dataclass(frozen=True)
class TermRule:
    """Rows of some terms are in a certain split; another rule decides about the others.

    Attributes:
        places: Term -> the split of its rows.
        rest: Rule for rows of other terms; None if there are none.
        tested: Units of the test rows, ascending; their other rows are left out.
    """

    places: Mapping[str, int]
    rest: Rule | None = None
    tested: HashArray = field(default_factory=lambda: np.empty(0, np.uint64))

    def place(self, rows: DecidingRows) -> PlaceArray:
        assert rows.term_codes is not None
        of_term = np.array([self.places.get(term, -1) for term in rows.terms], dtype=np.int8)
        places = of_term[rows.term_codes]
        if self.rest is not None:
            places = np.where(places == -1, self.rest.place(rows), places)
        if self.tested.size:
            places[(places != TEST) & self.is_tested(rows)] = LEFT_OUT
        return places

    def is_tested(self, rows: DecidingRows) -> NDArray[np.bool_]:
        """Return whether the unit of each row has test rows, shape (n_rows,)."""
        assert rows.units is not None
        index = np.searchsorted(self.tested, rows.units)
        found: NDArray[np.bool_] = (
            self.tested[np.minimum(index, self.tested.size - 1)] == rows.units
        )
        return found


def find_buckets(units: HashArray, seed: int) -> IntArray:
    """Return the bucket of each unit.

    Args:
        units: Units, shape (n,).
        seed: Seed of the buckets.

    Returns:
        Numbers below BUCKETS, shape (n,).
    """
    mixed = mix(units ^ hash_rows(0, 1, seed))
    return (mixed >> np.uint64(64 - BUCKET_BITS)).astype(np.int64)
