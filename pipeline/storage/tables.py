"""Read tables that are stored as parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.storage.artifacts.data import GoldManifest, PartFacts, SilverManifest, hash_table
from pipeline.storage.lake import Lake
from pipeline.storage.layout import gold_manifest, gold_split, silver_manifest, silver_rows

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


@dataclass(frozen=True)
class TablePart:
    """A part with its place in the table.

    Attributes:
        facts: Key, hash and counts of the part.
        first: Number of its first row in the table, from 0.
    """

    facts: PartFacts
    first: int

    @property
    def end(self) -> int:
        """Number of the row after its last one."""
        return self.first + self.facts.rows


def locate_parts(parts: Sequence[PartFacts]) -> list[TablePart]:
    """Return the parts of a table with the numbers of their first rows.

    Args:
        parts: The parts, in the order of the rows.
    """
    located, first = [], 0
    for facts in parts:
        located.append(TablePart(facts, first))
        first += facts.rows
    return located


def find_silver_parts(lake: Lake, run_id: str, sha256: str | None = None) -> list[PartFacts]:
    """Return the parts of a run's silver rows.

    Args:
        lake: The lake.
        run_id: The run.
        sha256: Hash that the rows must have, if it is known from elsewhere.

    Raises:
        LakeError: If the run has no silver manifest.
    """
    manifest = lake.read_model(silver_manifest(run_id), SilverManifest)
    parts = manifest.list_parts(run_id)
    if sha256 in (None, hash_table(parts)):
        return parts
    return [PartFacts(key=silver_rows(run_id), sha256=sha256 or "", rows=manifest.rows)]


def find_gold_parts(lake: Lake, run_id: str, split: str, sha256: str) -> list[PartFacts]:
    """Return the parts of a split of gold.

    Args:
        lake: The lake.
        run_id: Run that wrote the split.
        split: Name of the split.
        sha256: Hash of the split.

    Returns:
        The parts in gold's manifest, if they have that hash; else the split as one part.
    """
    if lake.exists(gold_manifest(run_id)):
        manifest = lake.read_model(gold_manifest(run_id), GoldManifest)
        if split in manifest.splits and hash_table(manifest.list_parts(split)) == sha256:
            return manifest.list_parts(split)
    return [PartFacts(key=gold_split(run_id, split), sha256=sha256, rows=0)]


def read_part(lake: Lake, facts: PartFacts, columns: Sequence[str] | None = None) -> pa.Table:
    """Read the rows of a part.

    Args:
        lake: The lake.
        facts: Key and hash of the part.
        columns: Names of the columns to decode; None for all.

    Returns:
        The rows.

    Raises:
        LakeError: If the part is missing or has another hash.
    """
    names = None if columns is None else list(columns)
    return open_part(lake, facts).read(names, use_threads=False)


def open_part(lake: Lake, facts: PartFacts) -> pq.ParquetFile:
    """Read the bytes of a part, whose columns and row groups are then decoded as needed.

    Args:
        lake: The lake.
        facts: Key and hash of the part.

    Raises:
        LakeError: If the part is missing or has another hash.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pq.ParquetFile(pa.BufferReader(pa.py_buffer(lake.read(facts.key, facts.sha256))))


def read_row_range(file: pq.ParquetFile, start: int, stop: int) -> tuple[pa.Table, int]:
    """Read the row groups that have a range of rows.

    Args:
        file: The part.
        start: Index of the first row.
        stop: Index of the row after the last one.

    Returns:
        The rows of these groups, and the index of the first one in the part.
    """
    groups, first, end = [], 0, 0
    for group in range(file.num_row_groups):
        begin, end = end, end + file.metadata.row_group(group).num_rows
        if end <= start:
            first = end
        elif begin < stop:
            groups.append(group)
    return file.read_row_groups(groups, use_threads=False), first
