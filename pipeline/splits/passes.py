"""Functions of a part of silver, whose results decide about the splits of a large table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.row_hashes import HashArray
from pipeline.splits.rows import DecidingColumns, DecidingRows, hash_values, read_deciding_rows
from pipeline.splits.rules import BUCKETS, PLACES, Rule, TermRule, find_buckets
from pipeline.storage.lake import Lake
from pipeline.storage.tables import TablePart, read_part
from pipeline.types import BoolArray, IntArray

TermCounts = dict[str, tuple[int, int]]
"""Term -> its negative and positive rows. Without `time`, all rows have the term ''."""


def count_terms(lake: Lake, part: TablePart, *, columns: DecidingColumns) -> TermCounts:
    """Count the rows of each term of a part, by class."""
    rows = read_deciding_rows(lake, part, columns)
    terms = rows.terms or ("",)
    codes = np.zeros(rows.labels.size, np.int64) if rows.term_codes is None else rows.term_codes
    counts = np.bincount(codes * 2 + rows.labels, minlength=2 * len(terms)).reshape(-1, 2)
    return {term: (int(n[0]), int(n[1])) for term, n in zip(terms, counts, strict=True)}


def count_places(rows: DecidingRows, rule: Rule) -> IntArray:
    """Count the rows of each split, by class.

    Args:
        rows: The rows.
        rule: What decides their splits.

    Returns:
        Counts, shape (len(PLACES), 2).
    """
    numbers = rule.place(rows).astype(np.int64) * 2 + rows.labels
    return np.bincount(numbers, minlength=2 * len(PLACES)).reshape(-1, 2)


@dataclass(frozen=True)
class Ranked:
    """The hashes of a part's rows near the bounds of the splits.

    Attributes:
        below: Rows of each class with a hash below each window, shape (2, 2).
        hashes: For each class and window, the hashes within it, ascending.
    """

    below: IntArray
    hashes: tuple[tuple[HashArray, HashArray], tuple[HashArray, HashArray]]


@dataclass(frozen=True)
class Wanted:
    """The hashes to collect.

    Attributes:
        seed: Seed of the hashes.
        windows: For each class and bound, the first hash of the window and the first behind it,
            shape (2, 2, 2).
        terms: Terms whose rows are ranked; None for all rows.
    """

    seed: int
    windows: HashArray
    terms: frozenset[str] | None = None


def rank_rows(lake: Lake, part: TablePart, *, columns: DecidingColumns, wanted: Wanted) -> Ranked:
    """Collect the hashes of a part's rows in windows around the expected bounds."""
    rows = read_deciding_rows(lake, part, columns)
    hashes, is_ranked = rows.hash(wanted.seed), _has_term(rows, wanted.terms)
    below = np.zeros((2, 2), dtype=np.int64)
    found: list[list[HashArray]] = [[], []]
    for label in range(2):
        own = hashes[is_ranked & (rows.labels == label)]
        for bound in range(2):
            low, high = wanted.windows[label, bound]
            below[label, bound] = np.count_nonzero(own < low)
            found[label].append(np.sort(own[(own >= low) & (own < high)]))
    return Ranked(below, ((found[0][0], found[0][1]), (found[1][0], found[1][1])))


def _has_term(rows: DecidingRows, terms: frozenset[str] | None) -> BoolArray:
    if terms is None or rows.term_codes is None:
        return np.ones(rows.labels.size, dtype=bool)
    is_in: BoolArray = np.array([term in terms for term in rows.terms], dtype=bool)[rows.term_codes]
    return is_in


def collect_units(
    lake: Lake, part: TablePart, *, columns: DecidingColumns, terms: frozenset[str]
) -> HashArray:
    """Return the distinct units of a part's rows of some terms, ascending."""
    rows = read_deciding_rows(lake, part, columns)
    assert rows.units is not None
    return np.unique(rows.units[_has_term(rows, terms)])


def collect_pairs(lake: Lake, part: TablePart, *, names: tuple[str, ...]) -> HashArray:
    """Return pairs of values that rows of a part connect, without repetition.

    Args:
        lake: The lake.
        part: The part.
        names: Names of the columns whose rows with the same value stay together.

    Returns:
        Hashes of a row's first value and of each of its values, shape (n_pairs, 2).
    """
    table = read_part(lake, part.facts, names)
    values = [hash_values(table, name) for name in names]
    first = np.zeros(table.num_rows, dtype=np.uint64)
    for hashes, is_known in reversed(values):
        first[is_known] = hashes[is_known]
    pairs = [np.column_stack([first[is_known], hashes[is_known]]) for hashes, is_known in values]
    return np.unique(np.concatenate(pairs), axis=0)


def count_buckets(
    lake: Lake, part: TablePart, *, columns: DecidingColumns, seed: int, rule: TermRule | None
) -> tuple[IntArray, IntArray]:
    """Count a part's rows of each bucket of units, by class.

    Args:
        lake: The lake.
        part: The part.
        columns: The deciding columns.
        seed: Seed of the buckets.
        rule: Rule of the terms that are split off; None without `time`.

    Returns:
        Rows of each bucket, shape (BUCKETS, 2), and rows of each split that the terms decide, shape
        (len(PLACES), 2).
    """
    rows = read_deciding_rows(lake, part, columns)
    assert rows.units is not None
    decided = np.zeros((len(PLACES), 2), dtype=np.int64)
    is_open = np.ones(rows.labels.size, dtype=bool)
    numbers = find_buckets(rows.units, seed) * 2 + rows.labels
    if rule is not None:
        places = rule.place(rows)
        is_open = places == -1
        closed = places[~is_open].astype(np.int64) * 2 + rows.labels[~is_open]
        decided = np.bincount(closed, minlength=2 * len(PLACES)).reshape(-1, 2)
    counts = np.bincount(numbers[is_open], minlength=2 * BUCKETS).reshape(-1, 2)
    return counts, decided
