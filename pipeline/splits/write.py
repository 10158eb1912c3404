"""Write the splits of a table to gold, as parts of equal size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np

from pipeline.column_file.checks import SPLIT_UNIT
from pipeline.columns import LABEL
from pipeline.errors import LakeError
from pipeline.splits.plan import Plan
from pipeline.splits.rows import DecidingColumns, DecidingRows, find_deciding_rows, hash_values
from pipeline.splits.rules import ListedRule, PlaceArray, Rule
from pipeline.splits.sketch import Sketch
from pipeline.splits.terms import find_range
from pipeline.storage.artifacts.data import PartFacts
from pipeline.storage.lake import Lake
from pipeline.storage.layout import SPLITS, gold_split, gold_split_part
from pipeline.storage.parquet import write_table
from pipeline.storage.tables import TablePart, open_part, read_row_range
from pipeline.types import IntArray

if TYPE_CHECKING:
    import pyarrow as pa

STRIPE_VALUES = 1 << 23
"""Values of a stripe: rows of all splits times columns. They are in memory at once."""


@dataclass(frozen=True)
class Source:
    """Rows of a part of silver that belong into a part of gold.

    Attributes:
        part: The part of silver.
        rows: Number of its rows that are in the split.
        start: How many of these are before the first one that is written.
        stop: How many are before the first one that is not written any more.
    """

    part: TablePart
    rows: int
    start: int
    stop: int


@dataclass(frozen=True)
class GoldPart:
    """A part of gold to write.

    Attributes:
        split: Index of the split in layout.SPLITS.
        key: Key of the part.
        sources: Where its rows are from.
    """

    split: int
    key: str
    sources: tuple[Source, ...]


Stripe = tuple[GoldPart, ...]
"""Parts of different splits that are written together, because their rows are close to each other
in silver unless `time` decides the splits."""


@dataclass(frozen=True)
class WrittenPart:
    """A part of gold that was written.

    Attributes:
        split: Index of the split in layout.SPLITS.
        facts: Key, hash and counts.
        terms: The oldest and the newest term; empty without `time`.
        units: Column whose rows with the same value stay together -> its values.
    """

    split: int
    facts: PartFacts
    terms: tuple[str, ...]
    units: dict[str, Sketch]


def list_stripes(
    run_id: str, parts: Sequence[TablePart], plan: Plan, stripe_rows: int
) -> list[Stripe]:
    """Return the parts of gold to write.

    All splits have the same number of parts, each with the same number of rows but the last ones.
    These depend on the rows of the splits only, so the bytes of gold do not depend on the parts of
    silver.

    Args:
        run_id: The run that writes them.
        parts: The parts of silver.
        plan: Where each of their rows goes.
        stripe_rows: Rows of all splits that are written together.
    """
    rows = plan.counts.sum(axis=2)  # of each part and split
    count = max(1, -(-int(rows[:, : len(SPLITS)].sum()) // stripe_rows))
    of_split = []
    for split, name in enumerate(SPLITS):
        part_rows = -(-int(rows[:, split].sum()) // count)
        groups = list(_divide(parts, rows[:, split].tolist(), part_rows))
        keys = [gold_split_part(run_id, name, number) for number in range(len(groups))]
        if len(groups) == 1:
            keys = [gold_split(run_id, name)]
        of_split.append(
            [
                GoldPart(split, key, tuple(sources))
                for key, sources in zip(keys, groups, strict=True)
            ]
        )
    stripes = zip_longest(*of_split)
    return [tuple(part for part in stripe if part is not None) for stripe in stripes]


def _divide(
    parts: Sequence[TablePart], rows: Sequence[int], part_rows: int
) -> Iterator[list[Source]]:
    """Divide the rows of a split, whose number in each part of silver is known."""
    sources: list[Source] = []
    room = part_rows
    for part, count in zip(parts, rows, strict=True):
        start = 0
        while start < count:
            stop = min(start + room, count)
            sources.append(Source(part, count, start, stop))
            room -= stop - start
            start = stop
            if not room:
                yield sources
                sources, room = [], part_rows
    if sources:
        yield sources


def write_stripe(
    lake: Lake, stripe: Stripe, *, rule: Rule, columns: DecidingColumns, sketch_size: int
) -> list[WrittenPart]:
    """Write the parts of a stripe.

    Args:
        lake: The lake.
        stripe: The parts.
        rule: What decides the splits.
        columns: The columns that decide them.
        sketch_size: Size of the sketches of units.

    Raises:
        LakeError: If a part of silver is missing or was modified.
    """
    import pyarrow as pa

    pieces: dict[str, list[pa.Table]] = {gold.key: [] for gold in stripe}
    for part in sorted(
        {source.part for gold in stripe for source in gold.sources}, key=lambda part: part.first
    ):
        file = open_part(lake, part.facts)
        deciding = file.read(columns.names, use_threads=False)
        rows = find_deciding_rows(deciding, part.first, columns)
        places = rule.place(rows)
        chosen = [
            (gold.key, _choose_rows(lake, source, places, gold.split))
            for gold in stripe
            for source in gold.sources
            if source.part == part
        ]
        start = min(int(own[0]) for _, own in chosen)
        stop = max(int(own[-1]) for _, own in chosen) + 1
        table, first = read_row_range(file, start, stop)
        for key, own in chosen:
            taken = table.take(own - first)
            if columns.unit_names:
                taken = taken.append_column(SPLIT_UNIT, pa.array(_number_units(rule, rows, own)))
            pieces[key].append(taken)
    return [
        _write_part(lake, gold, pa.concat_tables(pieces.pop(gold.key)), columns, sketch_size)
        for gold in stripe
    ]


def _choose_rows(lake: Lake, source: Source, places: PlaceArray, split: int) -> IntArray:
    """The indices of the rows of a part of silver that belong into a part of gold."""
    chosen = np.flatnonzero(places == split)
    if chosen.size != source.rows:
        raise LakeError(
            f"{lake.url(source.part.facts.key)} has {chosen.size:,} rows for the split "
            f"{SPLITS[split]}, but {source.rows:,} were counted: its rows or the code have changed "
            "meanwhile. Run `features` again"
        )
    return chosen[source.start : source.stop]


def _number_units(rule: Rule, rows: DecidingRows, chosen: IntArray) -> IntArray:
    """The number of the unit of each chosen row."""
    if isinstance(rule, ListedRule):
        assert rule.units is not None
        return rule.units[rows.first + chosen]
    assert rows.units is not None
    return rows.units[chosen].view(np.int64)


def _write_part(
    lake: Lake, gold: GoldPart, table: pa.Table, columns: DecidingColumns, sketch_size: int
) -> WrittenPart:
    table = table.combine_chunks()
    facts = PartFacts(
        key=gold.key,
        sha256=lake.write(gold.key, write_table(table)),
        rows=table.num_rows,
        positives=int(table[LABEL.name].to_numpy().sum()),
    )
    terms: list[str] = []
    if columns.time:
        terms = find_range(set(table[columns.time.name].unique().to_pylist()), columns.time)
    units = {}
    for name in columns.unit_names:
        hashes, is_known = hash_values(table, name)
        units[name] = Sketch.of(hashes[is_known], sketch_size)
    return WrittenPart(gold.split, facts, tuple(terms), units)
