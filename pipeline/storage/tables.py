"""Read tables that are stored as parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.storage.artifacts.data import PartFacts
from pipeline.storage.lake import Lake

if TYPE_CHECKING:
    import pyarrow as pa


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
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = pa.py_buffer(lake.read(facts.key, facts.sha256))
    names = None if columns is None else list(columns)
    return pq.read_table(pa.BufferReader(data), columns=names, use_threads=False)
