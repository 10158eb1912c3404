"""Write the splits of a table to gold, as parts with a fixed number of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.column_file.checks import SPLIT_UNIT
from pipeline.columns import LABEL
from pipeline.errors import LakeError
from pipeline.splits.plan import Plan
from pipeline.splits.rows import DecidingColumns, find_deciding_rows, hash_values
from pipeline.splits.rules import ListedRule, Rule
from pipeline.splits.sketch import Sketch
from pipeline.splits.terms import find_range
from pipeline.storage.artifacts.data import PartFacts
from pipeline.storage.lake import Lake
from pipeline.storage.layout import SPLITS, gold_split, gold_split_part
from pipeline.storage.parquet import write_table
from pipeline.storage.tables import TablePart, read_part

if TYPE_CHECKING:
    import pyarrow as pa

PART_VALUES = 1 << 22
"""Values of a part of gold: rows times columns. They are in memory at once."""


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


def count_part_rows(columns: int, values: int = PART_VALUES) -> int:
    """Return the number of rows of a part of gold, except the last one of a split.

    Args:
        columns: Number of columns of silver.
        values: Values of a part.
    """
    return max(1, values // columns)


def list_gold_parts(
    run_id: str, parts: Sequence[TablePart], plan: Plan, part_rows: int
) -> list[GoldPart]:
    """Return the parts of gold to write, in the order of the splits and their rows.

    Args:
        run_id: The run that writes them.
        parts: The parts of silver.
        plan: Where each of their rows goes.
        part_rows: Rows of a part; it depends on the table's columns only, so that the bytes of gold
            do not depend on the parts of silver.
    """
    listed = []
    for split, name in enumerate(SPLITS):
        rows = plan.counts[:, split].sum(axis=1).tolist()
        groups = list(_divide(parts, rows, part_rows))
        for number, sources in enumerate(groups):
            is_only = len(groups) == 1
            key = gold_split(run_id, name) if is_only else gold_split_part(run_id, name, number)
            listed.append(GoldPart(split, key, tuple(sources)))
    return listed


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


def write_gold_part(
    lake: Lake, part: GoldPart, *, rule: Rule, columns: DecidingColumns, sketch_size: int
) -> WrittenPart:
    """Write a part of gold.

    Args:
        lake: The lake.
        part: The part.
        rule: What decides the splits.
        columns: The columns that decide them.
        sketch_size: Size of the sketches of units.

    Raises:
        LakeError: If a part of silver is missing or was modified.
    """
    import pyarrow as pa

    table = pa.concat_tables(
        [_read_source(lake, source, part.split, rule, columns) for source in part.sources]
    ).combine_chunks()
    facts = PartFacts(
        key=part.key,
        sha256=lake.write(part.key, write_table(table)),
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
    return WrittenPart(part.split, facts, tuple(terms), units)


def _read_source(
    lake: Lake, source: Source, split: int, rule: Rule, columns: DecidingColumns
) -> pa.Table:
    """Read the rows of a part of silver that belong into a part of gold."""
    import pyarrow as pa

    table = read_part(lake, source.part.facts)
    rows = find_deciding_rows(table, source.part.first, columns)
    chosen = np.flatnonzero(rule.place(rows) == split)
    if chosen.size != source.rows:
        raise LakeError(
            f"{lake.url(source.part.facts.key)} has {chosen.size:,} rows for the split "
            f"{SPLITS[split]}, but {source.rows:,} were counted: its rows or the code have changed "
            "meanwhile. Run `features` again"
        )
    chosen = chosen[source.start : source.stop]
    taken = table.take(chosen)
    if rows.units is None and not columns.unit_names:
        return taken
    if isinstance(rule, ListedRule):
        assert rule.units is not None
        units = rule.units[source.part.first + chosen]
    else:
        assert rows.units is not None
        units = rows.units[chosen].view(np.int64)
    return taken.append_column(SPLIT_UNIT, pa.array(units))
