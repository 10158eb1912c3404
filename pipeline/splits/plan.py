"""Decide where each row of a table goes, without holding the table.

A table of at most LISTED_ROWS rows is split like a data frame (listed.py). A larger one is split by
hashes: of the row's number, or of its unit. Which of the two applies depends only on the number of
rows, and neither depends on the parts of the table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.column_file.checks import SPLIT_UNIT
from pipeline.columns import LABEL
from pipeline.errors import DataError
from pipeline.model.units import assign_counts, find_units
from pipeline.settings.data import FeaturesSettings
from pipeline.splits import passes
from pipeline.splits.bounds import find_bounds
from pipeline.splits.distinct import merge_distinct
from pipeline.splits.listed import MIN_ROWS_PER_CLASS, list_places
from pipeline.splits.rows import Components, DecidingColumns, DecidingRows
from pipeline.splits.rules import (
    PLACES,
    TEST,
    TRAIN,
    VALIDATION,
    BucketRule,
    HashRule,
    ListedRule,
    Rule,
    TermRule,
)
from pipeline.splits.terms import find_newest_terms, has_several_terms
from pipeline.storage.lake import Lake
from pipeline.storage.layout import SPLITS
from pipeline.storage.tables import TablePart, read_part
from pipeline.types import IntArray

LISTED_ROWS = 1_000_000
"""Largest table whose split is listed row by row; it needs about 100 bytes per row."""

RunParts = Callable[..., Iterator[Any]]
"""Applies a function to parts: `compute.run_parts` with its context."""


@dataclass(frozen=True)
class SplitOptions:
    """How a table is split.

    Attributes:
        columns: The columns that decide it.
        fractions: Fractions of the splits.
        seed: Seed of the split; equal seeds give equal splits.
        listed_rows: Largest table whose split is listed row by row.
    """

    columns: DecidingColumns
    fractions: FeaturesSettings
    seed: int
    listed_rows: int = LISTED_ROWS


@dataclass(frozen=True)
class Plan:
    """Where each row of a table goes.

    Attributes:
        rule: What decides it.
        columns: The columns that decide it.
        counts: Rows of each part, split and class, shape (n_parts, len(PLACES), 2).
    """

    rule: Rule
    columns: DecidingColumns
    counts: IntArray


def plan_splits(
    lake: Lake, parts: Sequence[TablePart], options: SplitOptions, run: RunParts
) -> Plan:
    """Decide where each row of a table goes.

    Args:
        lake: The lake with the table.
        parts: The parts of the table.
        options: How it is split.
        run: Applies a function to every part.

    Returns:
        The plan. In each split, each class has its fraction of the rows: exactly without units, and
        to a 2000th of its rows with them, unless single units are larger. With `time`, the test
        split is the newest term.

    Raises:
        DataError: If a class is missing, has too few rows for three splits, or all rows are of the
            same term.
        LakeError: If a part is missing or was modified.
    """
    if sum(part.facts.rows for part in parts) <= options.listed_rows:
        plan = _list_splits(lake, parts, options)
    else:
        plan = _Planner(parts, options, run).plan()
    check_classes(plan.counts.sum(axis=0), options.columns)
    return plan


def check_classes(counts: IntArray, columns: DecidingColumns) -> None:
    """Check that each split has enough rows of each class.

    Args:
        counts: Rows of each split and class, shape (len(PLACES), 2).
        columns: The columns that decide about the splits.

    Raises:
        DataError: If one has not.
    """
    for name, (negatives, positives) in zip(SPLITS, counts.tolist(), strict=False):
        fewest = min(negatives, positives)
        if fewest < MIN_ROWS_PER_CLASS:
            explanation = ""
            if columns.time:
                units = ", and older rows of its persons or groups are left out"
                explanation = (
                    f". The test split is the newest term of '{columns.time.raw}'"
                    f"{units if columns.unit_names else ''}"
                )
            raise DataError(
                f"the split {name} would have {fewest} rows of one class, but needs "
                f"{MIN_ROWS_PER_CLASS}: {counts.sum():,} rows ({counts[:, 1].sum():,} "
                f"{LABEL.positive}) are too few; collect more{explanation}"
            )


def check_both_classes(negatives: int, positives: int) -> None:
    """Check that there are rows of both classes.

    Raises:
        DataError: If a class has none.
    """
    for name, count in ((LABEL.positive, positives), (LABEL.negative, negatives)):
        if count == 0:
            raise DataError(
                f"none of the {negatives + positives:,} rows is labelled '{name}'; a model needs "
                "rows of both classes"
            )


def _list_splits(lake: Lake, parts: Sequence[TablePart], options: SplitOptions) -> Plan:
    """Split a small table by its deciding columns, which are held in memory."""
    import pyarrow as pa

    columns = options.columns
    tables = [read_part(lake, part.facts, columns.names) for part in parts]
    rows = pa.concat_tables(tables).to_pandas()
    labels = rows[LABEL.name].to_numpy(np.int64)
    check_both_classes(int((labels == 0).sum()), int(labels.sum()))
    units = find_units(rows, columns.unit_names) if columns.unit_names else None
    if units is not None:
        rows[SPLIT_UNIT] = units
    places = list_places(rows, options.fractions, options.seed, columns.time)
    rule = ListedRule(places, units)
    counts = [
        passes.count_places(DecidingRows(part.first, labels[part.first : part.end]), rule)
        for part in parts
    ]
    return Plan(rule, columns, np.array(counts))


class _Planner:
    """Splits a large table by passes over its deciding columns."""

    def __init__(self, parts: Sequence[TablePart], options: SplitOptions, run: RunParts) -> None:
        self._parts, self._columns, self._seed, self._run = (
            parts,
            options.columns,
            options.seed,
            run,
        )
        fractions = options.fractions
        self._test = fractions.test_fraction
        self._validation = fractions.validation_fraction / (1 - fractions.test_fraction)

    def plan(self) -> Plan:
        """Return the plan of all rows."""
        counted = self._count_terms()
        check_both_classes(*_sum_classes(counted).tolist())
        if len(self._columns.unit_names) > 1:
            self._connect_units()
        time, places = self._columns.time, dict[str, int]()
        if time:
            rows: Counter[str] = Counter()
            for terms in counted:
                rows.update({term: sum(classes) for term, classes in terms.items()})
            newest = find_newest_terms(rows, time, self._test)
            places = dict.fromkeys(newest, TEST)
            rest = {term: count for term, count in rows.items() if term not in newest}
            if not self._columns.unit_names and has_several_terms(rest, time):
                newest = find_newest_terms(rest, time, self._validation)
                places |= dict.fromkeys(rest, TRAIN) | dict.fromkeys(newest, VALIDATION)
                counts = np.array([_count_by_term(terms, places) for terms in counted])
                return Plan(TermRule(places), self._columns, counts)
        if self._columns.unit_names:
            return self._assign_units(places)
        return self._rank(counted, places)

    def _count_terms(self) -> list[passes.TermCounts]:
        """Count the rows of each part by term and class; without `time`, the manifest has them."""
        facts = [part.facts for part in self._parts]
        if self._columns.time is None and all(one.positives is not None for one in facts):
            return [{"": (one.rows - (one.positives or 0), one.positives or 0)} for one in facts]
        columns = DecidingColumns(self._columns.time)
        return list(self._run(passes.count_terms, self._parts, columns=columns))

    def _connect_units(self) -> None:
        """Find the units of several columns. Their pairs of values are held in memory."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        pairs = merge_distinct(
            self._run(passes.collect_pairs, self._parts, names=self._columns.unit_names)
        )
        values, codes = np.unique(pairs, return_inverse=True)
        first, second = codes.reshape(-1, 2).T
        graph = coo_array((np.ones(first.size), (first, second)), shape=(values.size, values.size))
        _, numbers = connected_components(graph, directed=False)
        smallest = np.full(numbers.max() + 1, np.iinfo(np.uint64).max, dtype=np.uint64)
        np.minimum.at(smallest, numbers, values)
        components = Components(values, smallest[numbers])
        self._columns = replace(self._columns, components=components)

    def _assign_units(self, places: dict[str, int]) -> Plan:
        """Assign buckets of units to the splits, after the terms that are split off."""
        terms, fractions = None, [1 - self._validation, self._validation]
        if places:
            newest = frozenset(places)
            tested = self._run(
                passes.collect_units, self._parts, columns=self._columns, terms=newest
            )
            terms = TermRule(places, tested=merge_distinct(tested))
        else:
            fractions = [(1 - self._test) * fraction for fraction in fractions] + [self._test]
        results = list(
            self._run(
                passes.count_buckets,
                self._parts,
                columns=self._columns,
                seed=self._seed,
                rule=terms,
            )
        )
        in_buckets = sum(buckets for buckets, _ in results)
        of_bucket = assign_counts(in_buckets, fractions, self._seed).astype(np.int8)
        rule: Rule = BucketRule(self._seed, of_bucket)
        if terms:
            rule = replace(terms, rest=rule)
        counts = np.array([decided for _, decided in results])
        for place in PLACES:
            is_here = of_bucket == place
            counts[:, place] += [buckets[is_here].sum(axis=0) for buckets, _ in results]
        return Plan(rule, self._columns, counts)

    def _rank(self, counted: Sequence[passes.TermCounts], places: dict[str, int]) -> Plan:
        """Find the bounds of the hashes, after the terms that are split off."""
        rest = [
            {term: classes for term, classes in terms.items() if term not in places}
            for terms in counted
        ]
        totals = _sum_classes(rest)
        test = np.zeros(2, np.int64) if places else split_evenly(totals, self._test)
        validation = split_evenly(totals - test, self._validation)
        counts = np.array([_count_by_term(terms, places) for terms in counted])
        splits = np.array([totals - test - validation, validation, test, np.zeros(2, np.int64)])
        check_classes(counts.sum(axis=0) + splits, self._columns)
        open_terms = frozenset(term for terms in rest for term in terms) if places else None
        bounds, below = find_bounds(
            totals,
            np.column_stack([test, test + validation]),
            lambda windows: self._run(
                passes.rank_rows,
                self._parts,
                columns=self._columns,
                wanted=passes.Wanted(self._seed, windows, open_terms),
            ),
        )
        rule: Rule = HashRule(self._seed, bounds)
        if places:
            rule = TermRule(places, rest=rule)
        of_part = np.array([_sum_classes([terms]) for terms in rest])
        counts[:, TEST] += below[:, :, 0]
        counts[:, VALIDATION] += below[:, :, 1] - below[:, :, 0]
        counts[:, TRAIN] += of_part - below[:, :, 1]
        return Plan(rule, self._columns, counts)


def split_evenly(totals: IntArray, fraction: float) -> IntArray:
    """Return how many rows of each class a split has: rounded up together, then to the nearest.

    Args:
        totals: Rows of each class, shape (2,).
        fraction: Fraction of the rows in the split.
    """
    rows, positives = int(totals.sum()), int(totals[1])
    wanted = int(np.ceil(fraction * rows))
    of_positives = (2 * wanted * positives + rows) // (2 * rows)
    return np.array([wanted - of_positives, of_positives])


def _sum_classes(counted: Sequence[passes.TermCounts]) -> IntArray:
    """Sum the rows of each class over parts and terms."""
    classes = [counts for terms in counted for counts in terms.values()]
    total: IntArray = np.array(classes, dtype=np.int64).reshape(-1, 2).sum(axis=0)
    return total


def _count_by_term(terms: passes.TermCounts, places: dict[str, int]) -> IntArray:
    """Count the rows whose split their term decides, shape (len(PLACES), 2)."""
    counts = np.zeros((len(PLACES), 2), dtype=np.int64)
    for term, classes in terms.items():
        if term in places:
            counts[places[term]] += classes
    return counts
