"""Turn a part of a raw file into a part of silver, and merge the results of all parts.

The results do not depend on how the file is divided.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.columns import LABEL
from pipeline.data.blocks import RowReader
from pipeline.data.cells import parse_csv
from pipeline.data.contract import validate_table
from pipeline.data.raw_csv import find_delimiter
from pipeline.data.source_changes import NewValues, count_new_values
from pipeline.storage.artifacts.data import BronzePart, PartFacts
from pipeline.storage.layout import SILVER
from pipeline.storage.parquet import COMPRESSION, get_schema

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.storage.lake import Lake
    from pipeline.storage.streams import NewFile

BLOCK_BYTES = 4 << 20
"""Size of a block of raw text. As a table it needs up to thirty times as much memory."""
ROW_GROUP_VALUES = 1 << 21
"""Values of a row group of silver: rows times columns. They are in memory at once."""
PART_MEBIBYTES = 250
"""Memory for a part: its bytes, a block as a table, and a row group."""


@dataclass(frozen=True)
class RawPart:
    """A part of a raw file, and what it becomes.

    Attributes:
        raw_key: Key of the raw file.
        place: Where the part is in it.
        first_row: Number of rows of the file before it.
        rows_key: Key of its valid rows.
        rejected_key: Key of its rejected rows.
    """

    raw_key: str
    place: BronzePart
    first_row: int
    rows_key: str
    rejected_key: str


@dataclass
class SilverCounts:
    """What is known about raw rows that were validated.

    Attributes:
        rows: Number of raw rows.
        rejected: Number of rejected rows.
        first_rejected: Number of the first rejected row in the file, and the reason.
        blanks: Number of blanks in each column that has any, in valid rows.
        new_values: Values of categories and of the label that the columns file does not have.
    """

    rows: int = 0
    rejected: int = 0
    first_rejected: tuple[int, str] | None = None
    blanks: Counter[str] = field(default_factory=Counter)
    new_values: NewValues = field(default_factory=NewValues)

    def add(self, other: SilverCounts) -> None:
        """Add those of later rows."""
        self.rows += other.rows
        self.rejected += other.rejected
        self.first_rejected = self.first_rejected or other.first_rejected
        self.blanks.update(other.blanks)
        self.new_values.update(other.new_values)


@dataclass(frozen=True)
class SilverPart:
    """Result of a part.

    Attributes:
        facts: Its valid rows.
        counts: What is known about its rows.
    """

    facts: PartFacts
    counts: SilverCounts


def write_silver_part(lake: Lake, part: RawPart, *, header: str) -> SilverPart:
    """Validate the rows of a part, and write those that are valid and those that are not.

    Args:
        lake: The lake.
        part: The part.
        header: Text of the raw file's header.

    Raises:
        DataError: If a line cannot be parsed.
        LakeError: If the part is missing or modified, or the disk is full.
    """
    own, location = part.place, lake.url(part.raw_key)
    data = lake.read_range(part.raw_key, own.start, own.bytes, own.sha256)
    reader = RowReader(io.BytesIO(data), location, find_delimiter(header), BLOCK_BYTES)
    names = header.encode()
    with lake.new_file(SILVER) as rows_file, lake.new_file(SILVER) as rejected_file:
        with SilverWriter(rows_file, rejected_file, part.first_row) as writer:
            for block in reader.read_blocks(line=own.line):
                if block.data.strip(b"\r\n"):
                    raw = parse_csv(names + block.data, block.line - names.count(b"\n"))
                    writer.add(raw)
        if writer.counts.rejected:
            lake.write_file(part.rejected_key, rejected_file)
        sha256 = lake.write_file(part.rows_key, rows_file)
    facts = PartFacts(
        key=part.rows_key, sha256=sha256, rows=writer.valid, positives=writer.positives
    )
    return SilverPart(facts, writer.counts)


def merge_counts(parts: Iterable[SilverPart]) -> SilverCounts:
    """Return what is known about the rows of all parts, which are in the order of the file."""
    total = SilverCounts()
    for part in parts:
        total.add(part.counts)
    return total


class SilverWriter:
    """Writes validated rows, in the order of the file, in a `with` block.

    Attributes:
        valid: Number of valid rows so far.
        positives: Number of valid rows of the positive class.
        counts: What is known about the raw rows.
    """

    def __init__(self, rows_file: NewFile, rejected_file: NewFile, first_row: int) -> None:
        """Begin with no rows.

        Args:
            rows_file: An empty file for the valid rows, as Parquet.
            rejected_file: An empty file for the rejected rows, as CSV.
            first_row: Number of rows of the file before the first one.
        """
        self.valid = self.positives = 0
        self.counts = SilverCounts()
        self._first_row = first_row
        self._rejected_file = rejected_file
        schema = get_schema()
        self._writer = pq.ParquetWriter(rows_file, schema, compression=COMPRESSION)
        self._group_rows = max(1, ROW_GROUP_VALUES // len(schema))
        self._pending = schema.empty_table()

    def add(self, raw: pd.DataFrame) -> None:
        """Validate and write the next raw rows."""
        valid, rejected = validate_table(raw)
        counts = SilverCounts(len(raw), len(rejected))
        if len(rejected):
            counts.first_rejected = self._write_rejected(rejected)
            counts.new_values = count_new_values(rejected)
        for name in valid.column_names:
            if blanks := valid[name].null_count:
                counts.blanks[name] = blanks
        self.counts.add(counts)
        self.valid += valid.num_rows
        self.positives += pc.sum(valid[LABEL.name]).as_py() or 0
        self._pending = pa.concat_tables([self._pending, valid])
        while self._pending.num_rows >= self._group_rows:
            self._write_group(self._group_rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        """Write the last rows, unless there was an error, and the end of the Parquet file."""
        if error is None:
            self._write_group(self._pending.num_rows)
        self._writer.close()

    def _write_rejected(self, rejected: pd.DataFrame) -> tuple[int, str]:
        """Append rejected rows; return the number and the reason of the first."""
        rejected = rejected.assign(row=rejected["row"] + self._first_row + self.counts.rows)
        is_first = self.counts.first_rejected is None
        self._rejected_file.write(rejected.to_csv(index=False, header=is_first).encode())
        first = rejected.iloc[0]
        return int(first["row"]), str(first["reason"])

    def _write_group(self, rows: int) -> None:
        # In one chunk, because the bytes of a row group depend on its chunks.
        group = self._pending.slice(0, rows).combine_chunks()
        self._writer.write_table(group, row_group_size=max(rows, 1))
        self._pending = self._pending.slice(rows)
