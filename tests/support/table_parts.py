"""Tables that are stored as parts."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from pipeline.columns import LABEL
from pipeline.storage.artifacts.data import PartFacts
from pipeline.storage.lake import Lake
from pipeline.storage.parquet import write_table


def write_parts(
    lake: Lake, table: pa.Table, part_rows: int, get_key: Callable[[int], str]
) -> list[PartFacts]:
    """Write a table as parts.

    Args:
        lake: The lake.
        table: The table, with the label.
        part_rows: Rows of each part but the last.
        get_key: Returns the key of a part from its number.

    Returns:
        The parts, in the order of the rows.
    """
    parts = []
    for number, start in enumerate(range(0, table.num_rows, part_rows)):
        rows = table.slice(start, part_rows).combine_chunks()
        key = get_key(number)
        sha256 = lake.write(key, write_table(rows))
        positives = int(rows[LABEL.name].to_numpy().sum())
        parts.append(PartFacts(key=key, sha256=sha256, rows=rows.num_rows, positives=positives))
    return parts
